import eslint from "@eslint/js";
import { createNodeResolver, importX } from "eslint-plugin-import-x";
import { defineConfig } from "eslint/config";
import globals from "globals";
import tseslint from "typescript-eslint";

/** Every layer may import the ones before it and none after it. */
const LAYERS = ["native", "model", "sampling", "generation", "context", "chat", "server", "cli"];
/** `hub` stands beside `model`: it knows no other layer, and only the outermost two know it. */
const ABOVE_HUB = ["server", "cli"];

const folder = (layer) => `./src/${layer}`;

const zones = LAYERS.map((layer, index) => ({
  target: folder(layer),
  from: [...LAYERS.slice(index + 1), ...(ABOVE_HUB.includes(layer) ? [] : ["hub"])].map(folder),
  message: `${layer} may import only ${["errors", ...LAYERS.slice(0, index)].join(", ")}.`,
})).filter(({ from }) => from.length > 0);
zones.push(
  { target: folder("hub"), from: LAYERS.map(folder), message: "hub may import only errors." },
  {
    target: ["errors.ts", "validate.ts", "progress.ts"].map(folder),
    from: [...LAYERS, "hub"].map(folder),
    message: "This is the lowest layer; it imports no other.",
  },
  {
    target: [...LAYERS.filter((layer) => !ABOVE_HUB.includes(layer)), "hub"].map(folder),
    from: "./src/!(errors|validate|progress).ts",
    message: "Import from the file itself, not from the public face of the package.",
  },
);

/** The server's APIs are mappings: they know neither each other nor what runs their requests. */
const DIALECTS = ["openai", "anthropic", "ollama", "tgi", "llamacpp"];
const server = (name) => `./src/server/${name}`;
zones.push(
  {
    target: DIALECTS.map(server),
    from: [...LAYERS.filter((layer) => layer !== "server"), "hub"].map(folder),
    message: "A dialect knows no engine.",
  },
  {
    target: DIALECTS.map(server),
    from: [server("inference/backend.ts"), server("models/model-pool.ts"), server("service.ts"), server("app.ts")],
    message: "A dialect knows no engine.",
  },
);

const addonIsPrivate = "Only src/native knows the addon.";
const onlyCliPrints = "Only src/cli prints or exits.";

export default defineConfig(
  { ignores: ["**/dist/", "dist.*.tmp/", "**/build/", "dist-packages/", "coverage/"] },
  { linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: "error" } },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // `process.env["NAME"]` is what the compiler's noPropertyAccessFromIndexSignature asks for.
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // TypeScript keeps what it narrowed across calls and awaits that change it, so that this rule reports real checks.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // An `async` method without `await` still turns what it throws into a rejection, which is the point of it.
      "@typescript-eslint/require-await": "off",
      "no-console": "error",
    },
  },
  {
    files: ["src/**/*.ts"],
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensionAlias: { ".js": [".ts", ".js"] } })] },
    rules: {
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }],
      "import-x/no-cycle": "error",
      "import-x/no-unresolved": "error",
      "import-x/no-default-export": "error",
    },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/cli/**"],
    rules: {
      "no-restricted-properties": [
        "error",
        ...["exit", "exitCode", "abort", "stdout", "stderr"].map((property) => ({
          object: "process",
          property,
          message: onlyCliPrints,
        })),
      ],
    },
  },
  { files: ["src/cli/**/*.ts"], rules: { "no-console": "off" } },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/native/**"],
    rules: {
      "no-restricted-imports": ["error", { paths: [{ name: "node:module", message: addonIsPrivate }] }],
      "no-restricted-syntax": ["error", { selector: "Literal[value=/\\.node$/]", message: addonIsPrivate }],
    },
  },
  {
    files: ["test/**/*.ts", "bench/**/*.ts", "examples/**/*.ts"],
    rules: {
      "no-console": "off",
      // Fields that OpenAI calls deprecated are what clients send.
      "@typescript-eslint/no-deprecated": "off",
      // What is written to terminals is compared with its escape sequences.
      "no-control-regex": "off",
      // Tests pass wrong values on purpose, and say what must be there with `!`.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: globals.nodeBuiltin },
  },
  { files: ["**/*.cjs"], languageOptions: { globals: globals.node } },
  {
    files: ["scripts/**/*.mjs"],
    plugins: { "@typescript-eslint": tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
    },
  },
);

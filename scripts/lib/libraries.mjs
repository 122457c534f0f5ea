// The libraries of others that a build uses. The published package has them in one file, as they and what they need would be
// thirty packages; a checkout, whose addon is built before that file is, has npm's.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { packageDir } from "./paths.mjs";

const isCheckout = existsSync(join(packageDir, "scripts", "bundle"));
const require = createRequire(import.meta.url);

/** @type {typeof import("./npm-libraries.cjs")} */
const libraries = require(isCheckout ? "./npm-libraries.cjs" : "../../dist/tools/libraries.cjs");

export const { BuildSystem, cmakeJsVersion, create, extract } = libraries;

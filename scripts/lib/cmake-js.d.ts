// The part of cmake-js that the build uses; the package has no types of its own.
declare module "cmake-js" {
  export interface BuildSystemOptions {
    directory: string;
    out: string;
    config: string;
    target: string;
    parallel: string;
    cmakePath: string;
    generator: string | undefined;
    cCompilerPath: string | undefined;
    cppCompilerPath: string | undefined;
    /** Keeps cmake-js from printing; failures are thrown all the same. */
    noLog: boolean;
  }

  export class BuildSystem {
    constructor(options: BuildSystemOptions);
    getConfigureCommand(): Promise<string[]>;
    getBuildCommand(): Promise<string[]>;
  }
}

// The libraries of others that a build uses, as npm has them.

const { BuildSystem } = require("cmake-js");
const { version: cmakeJsVersion } = require("cmake-js/package.json");
const { create, extract } = require("tar");

module.exports = { BuildSystem, cmakeJsVersion, create, extract };

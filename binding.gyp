# Makes `node-gyp rebuild` in a checkout run this package's own build. The result goes where the library looks for it. The
# published package does not have this file: the tools of Electron rebuild every package with one, for Electron's headers and
# with tools that few machines have, though the addon uses Node-API only, so that one file serves every version of Node and
# Electron.
{
  "targets": [
    {
      "target_name": "llama_native",
      "type": "none",
      "actions": [
        {
          "action_name": "build_addon",
          "message": "Building the addon",
          "inputs": ["<(module_root_dir)/scripts/build.mjs"],
          # A file that never exists: whether there is anything to do is for the script to say.
          "outputs": ["<(PRODUCT_DIR)/always"],
          "action": ["node", "<(module_root_dir)/scripts/build.mjs"],
        }
      ],
    }
  ]
}

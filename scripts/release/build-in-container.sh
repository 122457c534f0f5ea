#!/bin/sh
# Builds the package of Linux x64 as root in a container that has nothing yet: AlmaLinux, for an older glibc; of a GPU, Debian for
# Vulkan and NVIDIA's Rocky Linux with the toolkit for CUDA.
#
#   build-in-container.sh <backend>
set -eu
backend=$1

if command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends ca-certificates cmake g++ git glslc libvulkan-dev ninja-build nodejs npm spirv-headers
  npm ci --ignore-scripts
  npm run release:build -- --gpu "$backend"
else
  dnf -y install dnf-plugins-core
  dnf config-manager --set-enabled powertools
  dnf -y module enable nodejs:20
  # Kernels for the newest CPUs need a newer compiler than the system's, and its C++ library as an archive.
  dnf -y install gcc-toolset-14-gcc-c++ gcc-toolset-14-libstdc++-devel cmake git ninja-build nodejs npm
  # It reads variables that may not be set.
  set +u
  . /opt/rh/gcc-toolset-14/enable
  set -u
  npm ci --ignore-scripts
  npm run release:build -- --gpu "$backend" --max-glibc 2.28
fi

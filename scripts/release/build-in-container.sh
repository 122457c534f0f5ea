#!/bin/sh
# Builds the package of a Linux platform as root in a container that has nothing yet: AlmaLinux for glibc, Alpine for musl.
set -eu

if command -v apk >/dev/null; then
  apk add --no-cache cmake g++ git linux-headers ninja nodejs npm
  npm ci --ignore-scripts
  npm run release:build
else
  dnf -y install dnf-plugins-core
  dnf config-manager --set-enabled powertools
  dnf -y module enable nodejs:20
  # Kernels for the newest CPUs need a newer compiler than the system's, and its C++ library as an archive.
  dnf -y install gcc-toolset-14-gcc-c++ gcc-toolset-14-libstdc++-devel cmake git ninja-build nodejs npm
  . /opt/rh/gcc-toolset-14/enable
  npm ci --ignore-scripts
  npm run release:build -- --max-glibc 2.28
fi

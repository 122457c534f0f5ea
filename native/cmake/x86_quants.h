// What repack.cpp includes.

#pragma once

#include "k_quants.h"
#include "legacy_quants.h"

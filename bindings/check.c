//go:build cgo

/* Does not compile when the header and the exported Go functions disagree. */
#include "astroml.h"
#include "_cgo_export.h"

/* The file an error is about, kept beside the sentence that a lower layer wrote. */
#ifndef HOST_SOURCE_ERR_H
#define HOST_SOURCE_ERR_H

#include "base/err.h"

/* err->what becomes the logical path of the source; the sentence stays. Returns `code`. */
static inline int
source_err(struct err *err, int code, const char *path)
{
	if (!err)
		return code;
	struct err lower = *err;
	return err_set(err, code, path, "%s", lower.msg);
}

#endif

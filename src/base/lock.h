/*
 * Open-file-description locks on whole files. The kernel releases them when the last descriptor is
 * closed, so a killed holder leaves nothing behind. A lock is its descriptor: closing releases.
 * Lock files are created 0600, because whoever can read one can hold a shared lock on it for ever,
 * and are never removed.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Open (create) the file and take the lock exclusively, waiting at most timeout_ms (-1: for ever,
 * 0: try). fd, or negative errno: -ETIMEDOUT (or -EAGAIN for 0) when somebody else holds it.
 * Signals do not end the wait. */
int lock_take(const char *path, int64_t timeout_ms, struct err *err);
/* Somebody else holds the lock of this file (F_OFD_GETLK). false when the file is absent. */
bool lock_is_held(const char *path);
bool lock_is_held_at(int dirfd, const char *name);

#endif

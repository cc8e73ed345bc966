/*
 * Ownership of locals: the cleanup attribute releases at the end of the scope, TAKE() moves out of
 * it. A type becomes usable with AUTO() when its header says DEFINE_AUTO(zone, struct zone *,
 * zone_free) beside its free function.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFINE_AUTO(name, type, fn)                                                                \
	static inline void auto_##name##_(                                                         \
	    type *p) /* NOLINT(bugprone-macro-parentheses): a type */                              \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

/* AUTO(zone) struct zone *z = NULL; */
#define AUTO(name) __attribute__((cleanup(auto_##name##_)))

static inline void
auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void
auto_close_(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void
auto_fclose_(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static inline void
auto_closedir_(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

#define auto_free     __attribute__((cleanup(auto_free_)))
#define auto_close    __attribute__((cleanup(auto_close_)))
#define auto_fclose   __attribute__((cleanup(auto_fclose_)))
#define auto_closedir __attribute__((cleanup(auto_closedir_)))

/* Move a pointer or a descriptor out of an automatic variable. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})

static inline int
take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif

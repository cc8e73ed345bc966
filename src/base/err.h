/*
 * The reason of a failure, for people. A plain value: it owns nothing, lives on the stack and may
 * be passed as NULL by callers who do not want the sentence. Functions return a negative errno and
 * fill this; `code` repeats that errno.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct err {
	int code;       /* negative errno; 0 while nothing was set */
	char what[128]; /* API name: the property, file or command the reason is about; may be empty
	                 */
	char msg[512];  /* one sentence, no newline, longer text is cut */
};

/* Fill `err` (may be NULL) and return `code`, which is a negative errno. `what` may be NULL. */
int err_set(struct err *err, int code, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* err_set with ": <strerror>" appended. */
int err_errno(struct err *err, int code, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put context before the sentence: "vm 1234: " + old text. Returns err->code (or -EIO when err is
 * NULL). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Tells the compiler and the static analyzers what the two assert: that the result is negative.
 * They then know that nothing goes on after `if (r < 0) return r`.
 */
static inline int
err_is_negative(int code)
{
	if (code >= 0)
		__builtin_unreachable();
	return code;
}

#define err_set(...)   err_is_negative((err_set)(__VA_ARGS__))
#define err_errno(...) err_is_negative((err_errno)(__VA_ARGS__))

#endif

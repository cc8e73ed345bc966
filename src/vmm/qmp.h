/*
 * QMP client on a libuv loop (vmadmd.md 9; QEMU docs/interop/qmp-spec). Asynchronous: every command
 * has an id and a deadline; the callback is called exactly once, from the loop, never from inside
 * the call that caused it. The connection is negotiated first; commands invoked before are held. A
 * line longer than QMP_LINE_MAX, text that is not JSON, or a peer that misses the greeting deadline
 * end the connection.
 */
#ifndef VMM_QMP_H
#define VMM_QMP_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"

#define QMP_LINE_MAX (8u << 20)

struct qmp;

/* code 0: `result` is the return value (borrowed). Else err: -EREMOTEIO the error QEMU gave
 * (err->what its class), -ETIMEDOUT, -ECONNRESET. */
typedef void qmp_reply_fn(void *arg, int code, const json_t *result, const struct err *err);
/* Events in order. The client itself emits "VMNODE_CONNECTED" after negotiation. data may be NULL;
 * borrowed. */
typedef void qmp_event_fn(void *arg, const char *event, const json_t *data, int64_t time_us);
/* The connection is gone (after every waiting callback was called); `err` says why. Never called
 * after qmp_close(). */
typedef void qmp_closed_fn(void *arg, const struct err *err);

struct qmp_callbacks {
	qmp_event_fn *on_event;   /* may be NULL */
	qmp_closed_fn *on_closed; /* may be NULL */
	void *arg;
};

/* Takes the connected stream socket. */
struct qmp *
qmp_new(uv_loop_t *loop, int fd, const struct qmp_callbacks *cb, int64_t greeting_timeout_ms);
/* args: owned, NULL: none. timeout_ms 0: the verb's own deadline from the table in qmp.c (default
 * 10 s, screendump 30 s ...). fn may be NULL. */
int qmp_invoke(struct qmp *q, const char *command, json_t *args, int64_t timeout_ms,
    qmp_reply_fn *fn, void *arg);
/* Waiting callbacks get -ECONNRESET, later, from the loop; the object is freed by itself. */
void qmp_close(struct qmp *q);

/* The line parser alone, for tests and fuzzing: feed bytes, complete lines come out. -EFBIG,
 * -EINVAL. */
struct qmp_parser;
struct qmp_parser *qmp_parser_new(void);
void qmp_parser_free(struct qmp_parser *p);
int qmp_parser_feed(struct qmp_parser *p, const char *data, size_t len,
    int (*on_object)(void *arg, json_t *borrowed), void *arg, struct err *err);

#endif

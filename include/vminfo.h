/*
 * libvminfo: the C client of vminfod. Talks HTTP over the host's Unix socket
 * /run/vmnode/vminfod.sock, or TCP when told so. Texts returned are JSON, NUL-terminated, freed by
 * the caller with free(). Functions return 0 or a negative errno; vminfo_strerror() of the handle
 * has the sentence of the last failure on it. A handle is used by one thread at a time.
 */
#ifndef VMINFO_H
#define VMINFO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vminfo;

struct vminfo_options {
	const char *root; /* root prefix; NULL: VMNODE_ROOT or "/" */
	const char *host; /* TCP instead of the Unix socket; NULL: Unix socket */
	int port;         /* with host; 0: 9090 */
	const char
	    *name; /* user agent: "<name> - <hostname>/<pid> (<program>)"; NULL: "libvminfo" */
	int64_t timeout_ms; /* per request; 0: 60000; -1: none */
};

/* Connects lazily. *ret is always set unless -ENOMEM/-EINVAL. */
int vminfo_open(const struct vminfo_options *options, struct vminfo **ret);
void vminfo_close(struct vminfo *v);
const char *vminfo_strerror(const struct vminfo *v);
/* Status of the last answer; 0 when there was none (vminfod does not answer). */
int vminfo_status_code(const struct vminfo *v);

/* GET path (with query); body and length out. Any status is success here; look at
 * vminfo_status_code(). */
int vminfo_get(struct vminfo *v, const char *path_and_query, char **ret_body, size_t *ret_len);

/* -ENOENT: no such VM; -EPROTO: another status than 200, sentence "bad statusCode: <n>". */
int vminfo_ping(struct vminfo *v);
int vminfo_status(struct vminfo *v, int full, char **ret);
/* fields and query may be NULL. fields: "uuid,alias". */
int vminfo_vms(struct vminfo *v, const char *fields, char **ret, size_t *ret_len);
/* sync != 0: the answer reflects every change made before the call. */
int vminfo_vm(struct vminfo *v, const char *uuid, int sync, char **ret, size_t *ret_len);

/*
 * Event stream. vminfo_events() connects and waits for the first line (type "ready"), returned in
 * *ret_ready (may be NULL). vminfo_next() waits for the next line: 1 and the text, 0 after
 * timeout_ms (-1: none), negative errno: -ECONNRESET when vminfod is gone. Lines may be buffered,
 * so poll vminfo_fd() only after vminfo_next() gave 0 for a timeout of 0. The handle must outlive
 * the stream.
 */
struct vminfo_events;
int vminfo_events(struct vminfo *v, struct vminfo_events **ret, char **ret_ready);
int vminfo_next(struct vminfo_events *e, int64_t timeout_ms, char **ret_line, size_t *ret_len);
int vminfo_fd(const struct vminfo_events *e);
void vminfo_events_close(struct vminfo_events *e);

#ifdef __cplusplus
}
#endif

#endif

/* Pure rules about request lines and headers of local HTTP servers. */
#ifndef IO_HTTP_PATH_H
#define IO_HTTP_PATH_H

#include <stdbool.h>

/*
 * Textual normalisation without percent-decoding (vminfod.md 3.1): "//" collapses, "." and ".." are
 * resolved, never above the root; no slash at the end. "/" for the root. Allocated; NULL when the
 * path does not begin with a slash.
 */
char *http_path_normalise(const char *path);

/* A value of the query string with %XX decoded (not %00), in place. Returns its argument. */
char *http_query_decode(char *value);

/*
 * May a request over TCP with this Host header be answered? A page whose own name was pointed at
 * the loopback address sends that name, so only names of the host itself are: localhost, 127.0.0.1,
 * [::1] and `bind` (may be NULL), with or without a port.
 */
bool http_host_is_ours(const char *host, const char *bind);

#endif

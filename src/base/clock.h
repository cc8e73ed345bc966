/* Time. Wall clock values are ms (or us) since the epoch, monotonic ones are ns; the unit is in the
 * name. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_boot_ns(void); /* CLOCK_BOOTTIME */

#define ISO8601_SIZE 32
/* 2026-01-31T06:38:42.457Z into `ret`, which is returned. */
char *iso8601_format(int64_t wall_ms, char ret[ISO8601_SIZE]);
/* 0, or -EINVAL. Accepts 0 to 9 fraction digits. */
int iso8601_parse(const char *s, int64_t *ret_wall_ms);

#define HRTIME_SIZE 64
/* "<sec>.<nsec, 9 digits>" (vminfod.md 12). */
char *hrtime_format(int64_t mono_ns, char ret[HRTIME_SIZE]);
/* The pretty form of a delta: "54632.555733604s (15.18h)" (vminfod.md 12). */
char *hrtime_pretty(int64_t delta_ns, char ret[HRTIME_SIZE]);

#endif

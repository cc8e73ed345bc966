#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

static int64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
clock_wall_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t
clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t
clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

char *
iso8601_format(int64_t wall_ms, char ret[ISO8601_SIZE])
{
	int ms = (int)(wall_ms % 1000);
	time_t sec = (time_t)(wall_ms / 1000);
	struct tm tm;
	char day[24];
	long year;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	(void)gmtime_r(&sec, &tm); /* an int64_t of ms is some 292 million years: it fits */
	year = 1900L + tm.tm_year;
	(void)strftime(day, sizeof(day), "-%m-%dT%H:%M:%S", &tm);
	/* Years outside 0000..9999 have a sign and six digits (ECMA-262, 21.4.1.32). */
	(void)snprintf(ret, ISO8601_SIZE,
	    year < 0 || year > 9999 ? "%+07ld%s.%03dZ" : "%04ld%s.%03dZ", year, day, ms);
	return ret;
}

/* Exactly n digits. */
static bool
take_number(const char **s, int n, int *ret)
{
	int value = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret = value;
	return true;
}

static bool
take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static bool
take_fraction(const char **s, int *ret_ms)
{
	int ms = 0, n = 0, scale = 100;

	for (; **s >= '0' && **s <= '9'; (*s)++, n++) {
		ms += (**s - '0') * scale;
		scale /= 10;
	}
	*ret_ms = ms;
	return n >= 1 && n <= 9;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static bool
is_time(int year, const struct tm *tm)
{
	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= days_in_month(year, tm->tm_mon + 1) && tm->tm_hour < 24 &&
	       tm->tm_min < 60 && tm->tm_sec < 60;
}

int
iso8601_parse(const char *s, int64_t *ret_wall_ms)
{
	struct tm tm = { 0 };
	int year, month, ms = 0;

	if (!take_number(&s, 4, &year) || !take_char(&s, '-') || !take_number(&s, 2, &month) ||
	    !take_char(&s, '-') || !take_number(&s, 2, &tm.tm_mday) || !take_char(&s, 'T') ||
	    !take_number(&s, 2, &tm.tm_hour) || !take_char(&s, ':') ||
	    !take_number(&s, 2, &tm.tm_min) || !take_char(&s, ':') ||
	    !take_number(&s, 2, &tm.tm_sec))
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	if (take_char(&s, '.') && !take_fraction(&s, &ms))
		return -EINVAL;
	if (!take_char(&s, 'Z') || *s || !is_time(year, &tm))
		return -EINVAL;
	*ret_wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}

char *
hrtime_format(int64_t mono_ns, char ret[HRTIME_SIZE])
{
	if (mono_ns < 0)
		mono_ns = 0;
	(void)snprintf(ret, HRTIME_SIZE, "%lld.%09lld", (long long)(mono_ns / NS_PER_S),
	    (long long)(mono_ns % NS_PER_S));
	return ret;
}

/* The first unit of which there is at least one whole. */
static double
relative(int64_t ns, const char **unit)
{
	static const struct {
		int64_t sec;
		const char *unit;
	} long_units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" } };
	int64_t sec = ns / NS_PER_S, whole_ms = ns / NS_PER_MS;

	for (unsigned i = 0; i < sizeof(long_units) / sizeof(long_units[0]); i++) {
		*unit = long_units[i].unit;
		if (sec >= long_units[i].sec)
			return (double)sec / (double)long_units[i].sec;
	}
	*unit = "s";
	if (sec > 0)
		return (double)whole_ms / 1000.0;
	*unit = "ms";
	if (ns >= NS_PER_MS)
		return (double)ns / 1e6;
	*unit = ns >= 1000 ? "us" : "ns";
	return ns >= 1000 ? (double)ns / 1e3 : (double)ns;
}

char *
hrtime_pretty(int64_t delta_ns, char ret[HRTIME_SIZE])
{
	int64_t ns = delta_ns < 0 ? 0 : delta_ns;
	char exact[HRTIME_SIZE], rounded[HRTIME_SIZE];
	const char *unit;
	size_t len;

	(void)snprintf(rounded, sizeof(rounded), "%.2f", relative(ns, &unit));
	len = strlen(rounded);
	while (rounded[len - 1] == '0')
		len--;
	if (rounded[len - 1] == '.')
		len--;
	rounded[len] = '\0';
	(void)snprintf(
	    ret, HRTIME_SIZE, "%.24ss (%.24s%s)", hrtime_format(ns, exact), rounded, unit);
	return ret;
}

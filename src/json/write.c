/* The text form of json/json.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "json/json.h"

/* A number as 0.DIGITS x 10^point, the form of ECMA-262's Number::toString. */
struct decimal {
	char digits[24]; /* no trailing zeros */
	int n;
	int point;
};

static double
decimal_value(const struct decimal *d)
{
	char text[48];

	(void)snprintf(text, sizeof(text), "0.%se%d", d->digits, d->point);
	return strtod(text, NULL);
}

/* `value` > 0, correctly rounded to n digits. */
static void
decimal_round(struct decimal *d, double value, int n)
{
	char text[48], *exponent;

	(void)snprintf(text, sizeof(text), "%.*e", n - 1, value);
	exponent = strchr(text, 'e');
	d->point = (int)strtol(exponent + 1, NULL, 10) + 1;
	d->n = 0;
	for (char *p = text; p < exponent; p++)
		if (*p != '.')
			d->digits[d->n++] = *p;
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->n--;
	d->digits[d->n] = '\0';
}

/* The next larger number of the same n digits. */
static void
decimal_next(struct decimal *d, int n)
{
	int i;

	for (i = d->n; i < n; i++)
		d->digits[i] = '0';
	for (i = n - 1; i >= 0 && d->digits[i] == '9'; i--)
		d->digits[i] = '0';
	if (i < 0) {
		d->digits[0] = '1';
		d->point++;
	} else {
		d->digits[i]++;
	}
	d->n = n;
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->n--;
	d->digits[d->n] = '\0';
}

/*
 * Shortest digits that read back equal. Up to 15 digits a normal number that has them is found in
 * one step; a subnormal one has less precision and is tried from one digit on. Below a power of two
 * the next number is nearer than above it, so there the neighbour above the nearest one may be the
 * one that reads back.
 */
static void
shortest(struct decimal *d, double value)
{
	for (int n = fpclassify(value) == FP_SUBNORMAL ? 1 : 15; n < 17; n++) {
		decimal_round(d, value, n);
		if (decimal_value(d) == value)
			return;
		decimal_next(d, n);
		if (decimal_value(d) == value)
			return;
	}
	decimal_round(d, value, 17);
}

static void
add_zeros(struct buf *b, int n)
{
	for (; n > 0; n--)
		buf_addc(b, '0');
}

static void
write_real(struct buf *b, double value)
{
	struct decimal d;

	if (value == 0) {
		buf_addc(b, '0');
		return;
	}
	if (value < 0)
		buf_addc(b, '-');
	shortest(&d, fabs(value));
	if (d.point > 21 || d.point < -5) {
		buf_addc(b, d.digits[0]);
		if (d.n > 1)
			buf_addf(b, ".%s", d.digits + 1);
		buf_addf(b, "e%+d", d.point - 1);
	} else if (d.point <= 0) {
		buf_adds(b, "0.");
		add_zeros(b, -d.point);
		buf_adds(b, d.digits);
	} else if (d.point >= d.n) {
		buf_adds(b, d.digits);
		add_zeros(b, d.point - d.n);
	} else {
		buf_add(b, d.digits, (size_t)d.point);
		buf_addf(b, ".%s", d.digits + d.point);
	}
}

/* How to lay out: level is the depth of what is being written. */
struct layout {
	int indent;
	int level;
};

static void
new_line(struct buf *b, struct layout l)
{
	if (l.indent > 0)
		buf_addf(b, "\n%*s", l.indent * l.level, "");
}

static void write_value(struct buf *b, const json_t *v, struct layout l);

static void
write_array(struct buf *b, const json_t *v, struct layout l)
{
	struct layout inner = { l.indent, l.level + 1 };
	size_t n = json_array_size(v);

	buf_addc(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		new_line(b, inner);
		write_value(b, json_array_get(v, i), inner);
	}
	if (n > 0)
		new_line(b, l);
	buf_addc(b, ']');
}

static void
write_object(struct buf *b, const json_t *v, struct layout l)
{
	struct layout inner = { l.indent, l.level + 1 };
	json_t *obj = (json_t *)(uintptr_t)v; /* jansson's iterators take no const */
	bool first = true;

	buf_addc(b, '{');
	for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it)) {
		if (!first)
			buf_addc(b, ',');
		first = false;
		new_line(b, inner);
		buf_add_json_string(b, json_object_iter_key(it), json_object_iter_key_len(it));
		buf_adds(b, l.indent > 0 ? ": " : ":");
		write_value(b, json_object_iter_value(it), inner);
	}
	if (!first)
		new_line(b, l);
	buf_addc(b, '}');
}

static void
write_value(struct buf *b, const json_t *v, struct layout l)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		write_object(b, v, l);
		break;
	case JSON_ARRAY:
		write_array(b, v, l);
		break;
	case JSON_STRING:
		buf_add_json_string(b, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		buf_addf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		write_real(b, json_real_value(v));
		break;
	case JSON_TRUE:
		buf_adds(b, "true");
		break;
	case JSON_FALSE:
		buf_adds(b, "false");
		break;
	case JSON_NULL:
		buf_adds(b, "null");
		break;
	}
}

void
json_write(struct buf *b, const json_t *v, int indent)
{
	write_value(b, v, (struct layout){ .indent = indent });
}

char *
json_text(const json_t *v)
{
	struct buf b = BUF_INIT;

	json_write(&b, v, 0);
	return buf_take(&b);
}

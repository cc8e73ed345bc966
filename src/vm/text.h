/* Text from outside as JSON text. */
#ifndef VM_TEXT_H
#define VM_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A JSON string; bytes that are not UTF-8, and NUL, become U+FFFD. Never NULL. */
json_t *text_json(const char *s, size_t len);
/* No control characters, so it fits one line, one argument and an XML attribute. */
bool text_is_line(const char *s);
/* JavaScript's Number(): trimmed, decimal with exponent, hex 0x, empty is 0. JSON null for anything
 * else. */
json_t *text_number(const char *s);

#endif

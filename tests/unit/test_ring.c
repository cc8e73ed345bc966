#include <errno.h>
#include <string.h>

#include "unit.h"

#include "vminfod/ring.h"

static void
append(struct ring *r, const char *full, const char *redacted)
{
	struct blob *blobs[VIEW_COUNT] = {
		[VIEW_FULL] = blob_new(full, strlen(full)),
		[VIEW_REDACTED] = redacted ? blob_new(redacted, strlen(redacted)) : NULL,
	};

	ring_append(r, blobs);
}

static void
expect_next(struct ring *r, enum view view, uint64_t *pos, const char *text)
{
	AUTO(blob) struct blob *b = NULL;

	assert_int_equal(ring_next(r, view, pos, &b), 1);
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(b->data, text, b->len);
}

static void
reader_gets_every_event_in_order(void **state)
{
	struct ring *r = ring_new(1 << 20);
	struct blob *b = NULL;
	uint64_t pos = ring_end(r);
	char text[16];
	unsigned i;

	(void)state;
	assert_int_equal(ring_next(r, VIEW_FULL, &pos, &b), 0);
	for (i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "event %u", i);
		append(r, text, NULL);
	}
	for (i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "event %u", i);
		expect_next(r, VIEW_FULL, &pos, text);
	}
	assert_int_equal(ring_next(r, VIEW_FULL, &pos, &b), 0);
	ring_free(r);
}

static void
view_without_text_is_skipped(void **state)
{
	struct ring *r = ring_new(1 << 20);
	struct blob *b = NULL;
	uint64_t pos = 0;

	(void)state;
	append(r, "secret", NULL);
	append(r, "both", "visible");
	append(r, "secret", NULL);
	expect_next(r, VIEW_REDACTED, &pos, "visible");
	assert_int_equal(ring_next(r, VIEW_REDACTED, &pos, &b), 0);
	assert_int_equal(pos, ring_end(r));
	ring_free(r);
}

static void
oldest_go_when_the_budget_is_exceeded(void **state)
{
	struct ring *r = ring_new(4096);
	struct blob *b = NULL;
	char text[1024];
	uint64_t slow = 0;
	unsigned i;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 100; i++) {
		append(r, text, NULL);
		assert_true(ring_bytes(r) <= ring_budget(r));
	}
	assert_int_equal(ring_end(r), 100);
	assert_int_equal(ring_end(r) - ring_begin(r), ring_events(r));
	assert_int_equal(ring_next(r, VIEW_FULL, &slow, &b), -EOVERFLOW);
	slow = ring_begin(r);
	expect_next(r, VIEW_FULL, &slow, text);
	ring_free(r);
}

static void
newest_stays_however_long_it_is(void **state)
{
	struct ring *r = ring_new(16);
	uint64_t pos = 1;

	(void)state;
	append(r, "an event that is longer than the budget", NULL);
	append(r, "and another one of this kind", NULL);
	assert_int_equal(ring_events(r), 1);
	expect_next(r, VIEW_FULL, &pos, "and another one of this kind");
	ring_free(r);
}

static void
reader_keeps_its_event_while_the_ring_moves_on(void **state)
{
	struct ring *r = ring_new(64);
	AUTO(blob) struct blob *held = NULL;
	uint64_t pos = 0;

	(void)state;
	append(r, "held", NULL);
	assert_int_equal(ring_next(r, VIEW_FULL, &pos, &held), 1);
	append(r, "the next one", NULL);
	ring_set_budget(r, 1);
	assert_int_equal(ring_begin(r), 1);
	ring_free(r);
	assert_memory_equal(held->data, "held", 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_gets_every_event_in_order),
		cmocka_unit_test(view_without_text_is_skipped),
		cmocka_unit_test(oldest_go_when_the_budget_is_exceeded),
		cmocka_unit_test(newest_stays_however_long_it_is),
		cmocka_unit_test(reader_keeps_its_event_while_the_ring_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "vmm/qmp.h"
#include "json/json.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"

/*
 * Both ends on one loop. The peer reads lines and answers what its script says: `answer` gets each
 * command and returns allocated text, or NULL for silence.
 */
struct fixture {
	uv_loop_t loop;
	struct qmp *q;
	int fd;
	uv_poll_t poll;
	bool peer_closed;
	struct buf in;
	char *(*answer)(struct fixture *f, const char *command, int64_t id);
	unsigned n_replies, n_events, n_closed;
	int codes[8];
	char last_result[256];
	char last_error[640];
	char events[512];
	int closed_code;
};

static void
peer_write(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
peer_close(struct fixture *f)
{
	if (f->peer_closed)
		return;
	f->peer_closed = true;
	uv_close((uv_handle_t *)&f->poll, NULL);
	(void)close(f->fd);
}

static void
on_peer(uv_poll_t *p, int status, int events)
{
	struct fixture *f = p->data;
	ssize_t n = buf_read(&f->in, f->fd, 65536);
	char *end;

	(void)status;
	(void)events;
	if (n <= 0)
		(void)uv_poll_stop(p);
	while (!f->peer_closed && f->in.len > 0 && (end = memchr(f->in.data, '\n', f->in.len))) {
		size_t len = (size_t)(end - f->in.data);
		json_auto_t *v = json_parse(f->in.data, len, "command", NULL);
		auto_free char *text = NULL;

		assert_non_null(v);
		buf_drop(&f->in, len + 1);
		text = f->answer(f, json_member_str(v, "execute"), json_member_int(v, "id", -1));
		if (text && !f->peer_closed)
			peer_write(f, text);
	}
}

static char *
ret_text(int64_t id, const char *value)
{
	return xasprintf("{\"return\": %s, \"id\": %lld}\r\n", value, (long long)id);
}

static char *
polite(struct fixture *f, const char *command, int64_t id)
{
	(void)f;
	if (str_eq(command, "bad"))
		return xasprintf("{\"id\": %lld, \"error\": {\"class\": \"CommandNotFound\", "
		                 "\"desc\": \"no bad\"}}\n",
		    (long long)id);
	return ret_text(id, str_eq(command, "query-status") ? "{\"status\": \"running\"}" : "{}");
}

static char *
silent(struct fixture *f, const char *command, int64_t id)
{
	(void)f;
	return str_eq(command, "qmp_capabilities") ? ret_text(id, "{}") : NULL;
}

static char *
mute(struct fixture *f, const char *command, int64_t id)
{
	(void)f;
	(void)command;
	(void)id;
	return NULL;
}

static char *
leaves(struct fixture *f, const char *command, int64_t id)
{
	if (str_eq(command, "qmp_capabilities"))
		return ret_text(id, "{}");
	peer_close(f);
	return NULL;
}

static void
on_reply(void *arg, int code, const json_t *result, const struct err *err)
{
	struct fixture *f = arg;
	auto_free char *text = result ? json_text(result) : NULL;

	f->codes[f->n_replies++ % ARRAY_LEN(f->codes)] = code;
	(void)snprintf(f->last_result, sizeof(f->last_result), "%s", text ? text : "");
	(void)snprintf(f->last_error, sizeof(f->last_error), "%s|%s", err ? err->what : "",
	    err ? err->msg : "");
}

static void
on_event(void *arg, const char *event, const json_t *data, int64_t time_us)
{
	struct fixture *f = arg;
	size_t len = strlen(f->events);

	(void)data;
	f->n_events++;
	(void)snprintf(
	    f->events + len, sizeof(f->events) - len, "%s@%lld ", event, (long long)time_us);
}

static void
on_closed(void *arg, const struct err *err)
{
	struct fixture *f = arg;

	f->n_closed++;
	f->closed_code = err->code;
}

static struct fixture *
begin_with(int64_t greeting_ms, char *(*answer)(struct fixture *f, const char *command, int64_t id))
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	const struct qmp_callbacks cb = { on_event, on_closed, f };
	int fds[2];

	json_setup();
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	f->fd = fds[1];
	f->answer = answer;
	assert_int_equal(uv_poll_init(&f->loop, &f->poll, f->fd), 0);
	f->poll.data = f;
	assert_int_equal(uv_poll_start(&f->poll, UV_READABLE, on_peer), 0);
	f->q = qmp_new(&f->loop, fds[0], &cb, greeting_ms);
	return f;
}

static void
run_until(struct fixture *f, const unsigned *counter, unsigned value)
{
	while (*counter < value)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
}

/* Everything is closed and freed: nothing is left in the loop. */
static void
finish(struct fixture *f)
{
	qmp_close(f->q);
	peer_close(f);
	assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	buf_done(&f->in);
	free(f);
}

static void
held_commands_are_sent_after_the_negotiation(void **state)
{
	struct fixture *f = begin_with(5000, polite);

	(void)state;
	(void)qmp_invoke(f->q, "query-status", NULL, 0, on_reply, f);
	assert_int_equal(f->n_replies, 0);
	peer_write(f, GREETING);
	run_until(f, &f->n_replies, 1);
	assert_int_equal(f->codes[0], 0);
	assert_string_equal(f->last_result, "{\"status\":\"running\"}");
	assert_string_equal(f->events, "VMNODE_CONNECTED@0 ");
	finish(f);
}

static void
peer_that_never_greets_is_left(void **state)
{
	struct fixture *f = begin_with(20, polite);

	(void)state;
	(void)qmp_invoke(f->q, "query-status", NULL, 0, on_reply, f);
	run_until(f, &f->n_closed, 1);
	assert_int_equal(f->n_replies, 1);
	assert_int_equal(f->codes[0], -ECONNRESET);
	assert_int_equal(f->closed_code, -ETIMEDOUT);
	finish(f);
}

static void
lines_may_come_in_pieces_and_together(void **state)
{
	struct fixture *f = begin_with(5000, mute);
	static const char text[] =
	    GREETING "{\"return\": {}, \"id\": 0}\r\n"
	             "{\"event\": \"A\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\r\n"
	             "{\"return\": 5, \"id\": 1}\n\n{\"event\": \"B\"}\n";

	(void)state;
	(void)qmp_invoke(f->q, "x", NULL, 0, on_reply, f);
	for (size_t i = 0; i < 40; i++) {
		char c[2] = { text[i], '\0' };

		peer_write(f, c);
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	/* The answer to a command that was not sent yet is nobody's; so the rest waits for the
	 * negotiation. */
	peer_write(f, text + 40);
	run_until(f, &f->n_events, 3);
	assert_string_equal(f->events, "VMNODE_CONNECTED@0 A@1000002 B@0 ");
	assert_int_equal(f->n_replies, 1);
	assert_string_equal(f->last_result, "5");
	finish(f);
}

static void
error_answers_reach_the_caller(void **state)
{
	struct fixture *f = begin_with(5000, polite);

	(void)state;
	peer_write(f, GREETING);
	(void)qmp_invoke(f->q, "bad", json_pack("{s:i}", "a", 1), 0, on_reply, f);
	(void)qmp_invoke(f->q, "query-status", NULL, 0, on_reply, f);
	run_until(f, &f->n_replies, 2);
	assert_int_equal(f->codes[0], -EREMOTEIO);
	assert_int_equal(f->codes[1], 0);
	assert_int_equal(f->n_closed, 0);
	(void)qmp_invoke(f->q, "bad", NULL, 0, on_reply, f);
	run_until(f, &f->n_replies, 3);
	assert_string_equal(f->last_error, "CommandNotFound|no bad");
	finish(f);
}

static char *
chatty(struct fixture *f, const char *command, int64_t id)
{
	auto_free char *answer = polite(f, command, id);

	return xasprintf("{\"event\": \"STOP\"}\n%s{\"event\": \"RESUME\"}\n", answer);
}

static void
events_between_answers_are_kept_in_order(void **state)
{
	struct fixture *f = begin_with(5000, chatty);

	(void)state;
	peer_write(f, GREETING);
	(void)qmp_invoke(f->q, "query-status", NULL, 0, on_reply, f);
	run_until(f, &f->n_events, 4);
	assert_string_equal(f->events, "VMNODE_CONNECTED@0 RESUME@0 STOP@0 RESUME@0 ");
	assert_int_equal(f->n_replies, 1);
	finish(f);
}

static const struct {
	const char *name, *text;
	int code;
} garbage[] = {
	{ "not JSON", "SSH-2.0-OpenSSH\r\n", -EINVAL },
	{ "not an object", "[1,2]\n", -EINVAL },
	{ "no greeting", "{\"return\": {}}\n", -EPROTO },
	{ "garbage after the greeting", GREETING "\x01\x02\n", -EINVAL },
	{ "negotiation refused",
	    GREETING "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n", -EPROTO },
};

static void
garbage_ends_the_connection(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct fixture *f = begin_with(5000, mute);

		(void)qmp_invoke(f->q, "x", NULL, 0, on_reply, f);
		peer_write(f, garbage[i].text);
		run_until(f, &f->n_closed, 1);
		if (f->closed_code != garbage[i].code || f->n_replies != 1 ||
		    f->codes[0] != -ECONNRESET)
			fail_row(garbage[i].name, "closed %d, %u replies, %d", f->closed_code,
			    f->n_replies, f->codes[0]);
		finish(f);
	}
}

static void
peer_that_leaves_resets_every_command_once(void **state)
{
	struct fixture *f = begin_with(5000, leaves);

	(void)state;
	peer_write(f, GREETING);
	for (int i = 0; i < 3; i++)
		(void)qmp_invoke(f->q, "x", NULL, 0, on_reply, f);
	run_until(f, &f->n_closed, 1);
	assert_int_equal(f->n_replies, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(f->codes[i], -ECONNRESET);
	assert_int_equal(f->closed_code, -ECONNRESET);
	finish(f);
}

static void
invoke_on_an_ended_connection_fails_from_the_loop(void **state)
{
	struct fixture *f = begin_with(5000, leaves);

	(void)state;
	peer_close(f);
	run_until(f, &f->n_closed, 1);
	assert_int_equal(qmp_invoke(f->q, "x", NULL, 0, on_reply, f), 0);
	assert_int_equal(f->n_replies, 0);
	run_until(f, &f->n_replies, 1);
	assert_int_equal(f->codes[0], -ECONNRESET);
	assert_int_equal(f->n_closed, 1);
	finish(f);
}

static void
silence_misses_the_deadline_of_the_command(void **state)
{
	struct fixture *f = begin_with(5000, silent);

	(void)state;
	peer_write(f, GREETING);
	(void)qmp_invoke(f->q, "slow", NULL, 0, on_reply, f);
	(void)qmp_invoke(f->q, "query-status", NULL, 20, on_reply, f);
	run_until(f, &f->n_closed, 1);
	assert_int_equal(f->n_replies, 2);
	assert_int_equal(f->codes[0], -ECONNRESET);
	assert_int_equal(f->codes[1], -ETIMEDOUT);
	finish(f);
}

static void
commands_may_be_many(void **state)
{
	struct fixture *f = begin_with(5000, polite);
	int r = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(qmp_invoke(f->q, "x", NULL, 0, on_reply, f), 0);
	r = qmp_invoke(f->q, "x", json_object(), 0, on_reply, f);
	assert_int_equal(r, -EBUSY);
	peer_write(f, GREETING);
	run_until(f, &f->n_replies, 1000);
	assert_int_equal(f->n_closed, 0);
	finish(f);
}

static void
close_resets_later_and_says_nothing_more(void **state)
{
	struct fixture *f = begin_with(5000, silent);

	(void)state;
	peer_write(f, GREETING);
	run_until(f, &f->n_events, 1);
	(void)qmp_invoke(f->q, "x", NULL, 0, on_reply, f);
	qmp_close(f->q);
	f->q = NULL;
	assert_int_equal(f->n_replies, 0);
	run_until(f, &f->n_replies, 1);
	assert_int_equal(f->codes[0], -ECONNRESET);
	finish(f);
}

static void
close_and_invoke(void *arg, int code, const json_t *result, const struct err *err)
{
	struct fixture *f = arg;

	on_reply(arg, code, result, err);
	(void)qmp_invoke(f->q, "y", NULL, 0, on_reply, f);
	qmp_close(f->q);
	f->q = NULL;
}

static void
object_may_be_closed_in_its_own_callback(void **state)
{
	struct fixture *f = begin_with(5000, polite);

	(void)state;
	peer_write(f, GREETING);
	(void)qmp_invoke(f->q, "x", NULL, 0, close_and_invoke, f);
	run_until(f, &f->n_replies, 2);
	assert_int_equal(f->codes[0], 0);
	assert_int_equal(f->codes[1], -ECONNRESET);
	assert_int_equal(f->n_closed, 0);
	finish(f);
}

/* --- The parser alone --- */

static int
count_object(void *arg, json_t *v)
{
	assert_true(json_is_object(v));
	++*(unsigned *)arg;
	return 0;
}

static void
a_line_without_end_is_bounded(void **state)
{
	struct qmp_parser *p = qmp_parser_new();
	auto_free char *chunk = xmalloc(1u << 20);
	struct err err = { 0 };
	unsigned n = 0;
	int r = 0;

	(void)state;
	memset(chunk, 'x', 1u << 20);
	for (unsigned i = 0; i < 9 && r == 0; i++)
		r = qmp_parser_feed(p, chunk, 1u << 20, count_object, &n, &err);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(n, 0);
	qmp_parser_free(p);
}

static int
keep_object(void *arg, json_t *v)
{
	*(json_t **)arg = json_incref(v);
	return 0;
}

static void
numbers_past_63_bits_do_not_end_the_connection(void **state)
{
	static const char line[] = "{\"event\": \"X\", \"data\": {\"n\": 18446744073709551615}}\n";
	struct qmp_parser *p = qmp_parser_new();
	json_auto_t *v = NULL;

	(void)state;
	assert_int_equal(qmp_parser_feed(p, line, strlen(line), keep_object, &v, NULL), 0);
	assert_true(json_number_value(json_object_get(json_object_get(v, "data"), "n")) > 1.8e19);
	qmp_parser_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_commands_are_sent_after_the_negotiation),
		cmocka_unit_test(peer_that_never_greets_is_left),
		cmocka_unit_test(lines_may_come_in_pieces_and_together),
		cmocka_unit_test(error_answers_reach_the_caller),
		cmocka_unit_test(events_between_answers_are_kept_in_order),
		cmocka_unit_test(garbage_ends_the_connection),
		cmocka_unit_test(peer_that_leaves_resets_every_command_once),
		cmocka_unit_test(invoke_on_an_ended_connection_fails_from_the_loop),
		cmocka_unit_test(silence_misses_the_deadline_of_the_command),
		cmocka_unit_test(commands_may_be_many),
		cmocka_unit_test(close_resets_later_and_says_nothing_more),
		cmocka_unit_test(object_may_be_closed_in_its_own_callback),
		cmocka_unit_test(a_line_without_end_is_bounded),
		cmocka_unit_test(numbers_past_63_bits_do_not_end_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

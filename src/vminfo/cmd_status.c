/* vminfo status. */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "client/output.h"
#include "client/status_text.h"
#include "vminfo/cli.h"
#include "json/json.h"

static int
run(struct vminfo_cli *c)
{
	bool full = cli_option(c, 'f');
	auto_free char *text = NULL;
	json_auto_t *status = NULL;
	auto_buf struct buf out = BUF_INIT;
	struct err err = { 0 };

	if (vminfo_status(c->info, full, &text) < 0)
		return cli_failed(c);
	if (cli_option(c, 'j'))
		return cli_print_json(c, text, strlen(text));
	status = json_parse(text, strlen(text), "answer of vminfod", &err);
	if (!status) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return VMINFO_FAILED;
	}
	status_text(status, full, &out);
	return output_end(&out);
}

static const struct option_row options[] = {
	{ 'j', "json", NULL, "Print the document as JSON." },
	{ 'f', "full", NULL, "Everything: the log of refreshes, the watched files." },
	{ 0 },
};

const struct vminfo_command cmd_status = {
	.name = "status",
	.usage = "[-jf]",
	.help = "Show how vminfod is doing.",
	.options = options,
	.run = run,
};

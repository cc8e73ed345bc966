/* Reading VMs: through vminfod, or straight from the sources when it does not answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "load/load.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

/* Once it was too slow for us, further questions would only add up the waiting. */
static bool vminfod_is_hung;

static bool
is_answer(const struct vmadm *v, int r)
{
	return r == 0 || (r == -ENOENT && vminfo_status_code(v->info) == 404);
}

/* Say once, however many objects the command reads. */
static void
go_direct(const char *reason)
{
	static bool said;

	if (said)
		return;
	said = true;
	(void)fprintf(
	    stderr, "vmadm: vminfod does not answer (%s); reading the sources directly\n", reason);
	/* Defaults will do for reading. */
	(void)conf_load(NULL);
}

static int
parse_answer(const char *text, size_t len, json_t **ret, struct err *err)
{
	*ret = json_parse(text, len, "answer of vminfod", err);
	return *ret ? 0 : -EPROTO;
}

int
vmadm_vms(struct vmadm *v, const char *fields, json_t **ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r = vminfod_is_hung ? -ETIMEDOUT : vminfo_vms(v->info, fields, &text, &len);

	if (r == 0)
		return parse_answer(text, len, ret, err);
	vminfod_is_hung |= r == -ETIMEDOUT;
	go_direct(vminfo_strerror(v->info));
	return load_all(ret, err);
}

int
vmadm_vm(struct vmadm *v, const char *uuid, bool sync, json_t **ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r = vminfod_is_hung ? -ETIMEDOUT : vminfo_vm(v->info, uuid, sync, &text, &len);

	if (r == 0)
		return parse_answer(text, len, ret, err);
	if (!vminfod_is_hung && is_answer(v, r))
		return err_set(err, -ENOENT, NULL, "VM %s not found", uuid);
	vminfod_is_hung |= r == -ETIMEDOUT;
	go_direct(vminfo_strerror(v->info));
	return load_one(uuid, false, ret, err);
}

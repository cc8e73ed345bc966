#include "vmadm/operation.h"

#include <string.h>

#include "json/json.h"

#define CONFLICT_FIELDS "uuid,state,zone_state,nics,vnc_port"

static int
others(void *arg, json_t **ret, struct err *err)
{
	return vmadm_vms(arg, CONFLICT_FIELDS, ret, err);
}

static int
settle(void *arg, const char *uuid, json_t **ret, struct err *err)
{
	return vmadm_vm(arg, uuid, true, ret, err);
}

struct op
operation_of(struct vmadm *v)
{
	return (struct op){ .info = v->info,
		.by = v->by,
		.reason = v->reason,
		.others = others,
		.settle = settle,
		.arg = v };
}

json_t *
operation_result(const char *uuid)
{
	json_t *result = json_object();

	json_put_str(result, "uuid", uuid);
	return result;
}

int
operation_fail(struct vmadm *v, const char *prefix, struct err *err)
{
	if (err->what[0] == '/' && !strstr(err->msg, err->what))
		err_prefix(err, "%s", err->what);
	if (prefix)
		err_prefix(err, "%s", prefix);
	return vmadm_fail(v, err);
}

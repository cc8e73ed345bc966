#include "net/nic_tag.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

static const struct nic_tag nic_tags[] = {
	{ .name = "user",
	    .help = "User-mode networking of the hypervisor; needs no rights on the host.",
	    .backend = NIC_BACKEND_USER },
};

const struct nic_tag *
nic_tag_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(nic_tags); i++)
		if (str_eq(name, nic_tags[i].name))
			return &nic_tags[i];
	return NULL;
}

int
nic_tag_check(const json_t *vm, struct err *err)
{
	auto_buf struct buf tags = BUF_INIT;
	size_t i;
	const json_t *nic;

	json_array_foreach (json_object_get(vm, "nics"), i, nic) {
		const char *tag = str_or_empty(json_member_str(nic, "nic_tag"));
		if (nic_tag_find(tag))
			continue;
		if (tags.len > 0)
			buf_adds(&tags, "; ");
		buf_addf(&tags, "Invalid nic tag \"%s\"", tag);
	}
	return tags.len == 0 ? 0 : err_set(err, -EINVAL, "nic_tag", "%s", tags.data);
}

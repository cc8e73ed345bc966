#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const struct {
	const char *name;
	const struct pool_driver *driver;
} pools[] = {
	{ POOL_DEFAULT, &pool_dir },
};

int
pool_find(const char *pool, const struct pool_driver **ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		if (!str_eq(pool, pools[i].name))
			continue;
		*ret = pools[i].driver;
		return 0;
	}
	return err_set(err, -ENOENT, "zpool", "no such pool: \"%s\"", str_or_empty(pool));
}

int
volume_format_parse(const char *s, enum volume_format *ret)
{
	if (!s || !*s || strcmp(s, "qcow2") == 0)
		*ret = VOLUME_QCOW2;
	else if (strcmp(s, "raw") == 0)
		*ret = VOLUME_RAW;
	else
		return -EINVAL;
	return 0;
}

void
dataset_rows_done(struct dataset_rows *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		free(r->rows[i].name);
		free(r->rows[i].mountpoint);
		free(r->rows[i].compression);
	}
	free(r->rows);
	*r = (struct dataset_rows){ 0 };
}

const struct dataset *
dataset_rows_by_mountpoint(const struct dataset_rows *r, const char *mountpoint)
{
	for (unsigned i = 0; i < r->n; i++)
		if (str_eq(r->rows[i].mountpoint, mountpoint))
			return &r->rows[i];
	return NULL;
}

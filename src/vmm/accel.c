#include "vmm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/str.h"

#define KVM_DEVICE "/dev/kvm"

/*
 * x86: a flag in /proc/cpuinfo. Elsewhere KVM_CREATE_VM has already answered the question: the Arm
 * driver registers the device only when the processor was entered at EL2.
 */
static bool
cpu_can_virtualise(void)
{
#if defined(__x86_64__) || defined(__i386__)
	auto_fclose FILE *f = fopen("/proc/cpuinfo", "re");
	auto_free char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		if (str_starts(line, "flags"))
			return strstr(line, " vmx") || strstr(line, " svm");
	}
	return false;
#else
	return true;
#endif
}

/* 0, or negative errno with the reason why the kernel's side of KVM does not work. */
static int
kvm_try(char *reason, size_t size)
{
	auto_close int kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	auto_close int vm = -1;
	int r;

	if (kvm < 0) {
		r = -errno;
		(void)snprintf(reason, size, "%s cannot be opened: %s", KVM_DEVICE, strerror(-r));
		return r;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		r = -errno;
		(void)snprintf(reason, size, "KVM_CREATE_VM does not work: %s", strerror(-r));
		return r;
	}
	return 0;
}

static int
probe_auto(struct accel *ret, struct err *err)
{
	(void)err;
	ret->kvm = false;
	if (kvm_try(ret->reason, sizeof(ret->reason)) < 0)
		return 0;
	if (!cpu_can_virtualise()) {
		(void)snprintf(ret->reason, sizeof(ret->reason),
		    "%s is there but the processor has neither vmx nor svm", KVM_DEVICE);
		return 0;
	}
	ret->kvm = true;
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s works", KVM_DEVICE);
	return 0;
}

static int
probe_kvm(struct accel *ret, struct err *err)
{
	struct accel a = { .kvm = true };
	int r;

	r = kvm_try(a.reason, sizeof(a.reason));
	if (r < 0)
		return err_set(err, r, "vm.accel", "kvm is configured but %s", a.reason);
	(void)snprintf(a.reason, sizeof(a.reason), "configured%s",
	    cpu_can_virtualise() ? "" : ", although the processor has neither vmx nor svm");
	*ret = a;
	return 0;
}

static int
probe_tcg(struct accel *ret, struct err *err)
{
	(void)err;
	*ret = (struct accel){ .kvm = false, .reason = "configured" };
	return 0;
}

static const struct {
	const char *name;
	int (*probe)(struct accel *ret, struct err *err);
} choices[] = {
	{ "auto", probe_auto },
	{ "kvm", probe_kvm },
	{ "tcg", probe_tcg },
};

int
accel_probe(const char *wanted, struct accel *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		if (str_eq(choices[i].name, wanted))
			return choices[i].probe(ret, err);
	}
	return err_set(
	    err, -EINVAL, "vm.accel", "\"%s\" is none of auto, kvm, tcg", str_or_empty(wanted));
}

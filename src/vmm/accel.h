/* KVM or TCG (design.md section 3): `auto` uses KVM only if /dev/kvm opens, KVM_CREATE_VM works and
 * the CPU has vmx or svm. */
#ifndef VMM_ACCEL_H
#define VMM_ACCEL_H

#include <stdbool.h>

#include "base/err.h"

struct accel {
	bool kvm;
	char reason[160]; /* why, for the log */
};
/* `wanted`: auto, kvm, tcg (conf vm.accel). Forced kvm that does not work is an error. */
int accel_probe(const char *wanted, struct accel *ret, struct err *err);

#endif

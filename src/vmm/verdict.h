/*
 * Why did a hypervisor process end? Pure: from what was seen to a row of exit_causes. A wait status
 * alone cannot tell: QEMU ends with 0 after a guest's power-off, a panic, SIGTERM and `quit` alike
 * (vmadmd.md 9.5).
 */
#ifndef VMM_VERDICT_H
#define VMM_VERDICT_H

#include <stdbool.h>

#include "host/exit_ledger.h"

enum stop_mode {
	STOP_NONE,     /* nobody asked */
	STOP_ACPI,     /* the power button was pressed */
	STOP_FORCE,    /* somebody asked for force */
	STOP_DEADLINE, /* the guest did not obey in time */
	STOP_MODE_COUNT
};

struct exit_facts {
	int status;        /* wait status word, -1: not our child or not seen */
	char shutdown[32]; /* reason of the SHUTDOWN event, "" when none came */
	bool panicked;     /* GUEST_PANICKED came */
	bool ran;          /* the guest was let go */
	bool listening;    /* the QMP connection stood until the end, so a missing event means there
	                      was none */
	bool out_of_memory; /* the kernel killed for memory in our control group */
	bool host_shutdown; /* the stop was asked for by a shutdown of the host */
	enum stop_mode stop;
	const char *last_words; /* last line of stderr; may be NULL; borrowed */
};
enum exit_cause verdict(const struct exit_facts *f);

/* Does the policy (never, on-failure, always) start the VM again after this? Unknown policies mean
 * never. */
bool verdict_restarts(const char *policy, enum exit_cause cause);

#endif

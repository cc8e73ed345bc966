/* The property table. Texts: vm-properties.md 3 and 4, vmadm.md 2.3 (headings), vmobject-load.md 4
 * and 21 (sources). */
#include "vm/properties.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/compute.h"
#include "vm/rules.h"
#include "json/json.h"

#define NO_UUID "\"00000000-0000-0000-0000-000000000000\""
/* So that bytes fit 63 bits. */
#define MIB_MAX ((INT64_C(1) << 43) - 1)
#define GIB_MAX ((INT64_C(1) << 33) - 1)
#define KVM     BRAND_BIT(BRAND_KVM)

static const char *const restart_policies[] = { "never", "on-failure", "always", NULL };
static const char *const disk_media[] = { "disk", "cdrom", NULL };
static const char *const disk_formats[] = { "qcow2", "raw", NULL };

/* clang-format off */
static const struct prop disk_members[] = {
	{ .name = "path", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .xml = XML_SELF, .key = "match", .validate = rule_disk_path,
	  .help = "Path of the volume; names the disk. Given only for cdrom media and with nocreate." },
	{ .name = "boot", .type = PROP_BOOL, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "boot", .conv = CONV_BOOL,
	  .help = "Whether the VM boots from this disk; at most one does." },
	{ .name = "media", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .def = "\"disk\"", .xml = XML_NET_ATTR, .key = "media", .values = disk_media,
	  .help = "What the guest sees: a disk, or a cdrom." },
	{ .name = "model", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "model",
	  .help = "Emulated controller, by default disk_driver or the model of the first disk." },
	{ .name = "format", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE,
	  .def = "\"qcow2\"", .xml = XML_NET_ATTR, .key = "format", .values = disk_formats,
	  .help = "Format of the volume file." },
	{ .name = "nocreate", .type = PROP_BOOL, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_HIDE_FALSE,
	  .source = SRC_PAYLOAD,
	  .help = "Attach the existing volume at path instead of creating one." },
	{ .name = "zfs_filesystem", .type = PROP_STRING, .brands = BRANDS_HVM, .source = SRC_DATASET,
	  .help = "Name of the volume in its pool." },
	{ .name = "zpool", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_FILTER, .source = SRC_DATASET,
	  .help = "Pool the volume is in." },
	{ .name = "size", .type = PROP_INT, .unit = "MiB", .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_FILTER | PROP_KEEP_ZERO,
	  .min = 0, .max = MIB_MAX, .source = SRC_DATASET,
	  .help = "Size of the disk." },
	{ .name = "compression", .type = PROP_STRING, .brands = BRANDS_HVM, .source = SRC_DATASET,
	  .help = "Compression of the volume." },
	{ .name = "refreservation", .type = PROP_INT, .unit = "MiB", .brands = BRANDS_HVM, .source = SRC_DATASET,
	  .help = "Space reserved for the volume." },
	{ .name = "block_size", .type = PROP_INT, .unit = "bytes", .brands = BRANDS_HVM, .source = SRC_DATASET,
	  .help = "Block size of the volume." },
	{ .name = "missing", .type = PROP_BOOL, .brands = BRANDS_HVM, .source = SRC_COMPUTED,
	  .help = "Present and true when the volume does not exist." },
	{ .name = NULL },
};

static const struct prop nic_members[] = {
	{ .name = "interface", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER,
	  .xml = XML_SELF, .key = "physical", .validate = rule_interface,
	  .help = "Name of the interface, by default the next free net<N>." },
	{ .name = "mac", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_SELF, .key = "mac-addr", .validate = rule_mac, .canon = canon_mac,
	  .help = "MAC address; names the NIC. By default a random, locally administered one." },
	{ .name = "vlan_id", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .min = 0, .max = 4095, .xml = XML_SELF, .key = "vlan-id", .conv = CONV_NUM,
	  .help = "VLAN on the nic tag." },
	{ .name = "nic_tag", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_SELF, .key = "global-nic", .validate = rule_nic_tag,
	  .help = "Name of the host network the NIC is on." },
	{ .name = "gateway", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "gateway", .validate = rule_gateway,
	  .help = "The first of gateways." },
	{ .name = "gateways", .type = PROP_LIST, .brands = BRANDS_ALL, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "gateways", .conv = CONV_LIST, .validate = rule_gateway,
	  .help = "IPv4 addresses of routers." },
	{ .name = "ip", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "ip", .validate = rule_ip,
	  .help = "The first IPv4 address of ips, or dhcp." },
	{ .name = "ips", .type = PROP_LIST, .brands = BRANDS_ALL, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "ips", .conv = CONV_LIST, .validate = rule_ips,
	  .help = "Addresses with prefix length, dhcp or addrconf; at most 20." },
	{ .name = "model", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "model", .validate = rule_name,
	  .help = "Emulated device (virtio, e1000, rtl8139), by default nic_driver or the model of the first NIC." },
	{ .name = "mtu", .type = PROP_INT, .unit = "bytes", .brands = BRANDS_ALL, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .min = 576, .max = 9000, .xml = XML_NET_ATTR, .key = "mtu", .conv = CONV_NUM,
	  .help = "Largest packet." },
	{ .name = "netmask", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_FILTER, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "netmask", .validate = rule_netmask,
	  .help = "Mask of ip." },
	{ .name = "network_uuid", .type = PROP_UUID, .brands = BRANDS_ALL, .flags = PROP_CREATE, .update = UPDATE_META,
	  .xml = XML_NET_ATTR, .key = "network_uuid",
	  .help = "Name of the network for management systems; not used here." },
	{ .name = "primary", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_HIDE_FALSE, .update = UPDATE_BOOT,
	  .xml = XML_NET_ATTR, .key = "primary", .conv = CONV_BOOL,
	  .help = "The NIC with the default route; exactly one of a VM's NICs is." },
	{ .name = NULL },
};

const struct prop properties[] = {
	/* In the zone XML. */
	{ .name = "zonename", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_XML,
	  .xml = XML_ZONE, .key = "name", .compute = compute_zonename, .width = 12,
	  .help = "Name of the container; equals uuid." },
	{ .name = "autoboot", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_META,
	  .def = "true", .source = SRC_XML, .xml = XML_ATTR, .key = "vm-autoboot", .conv = CONV_BOOL, .width = 8,
	  .help = "Whether the VM starts with the host, and at the end of create." },
	{ .name = "brand", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE | PROP_REQUIRED,
	  .source = SRC_XML, .xml = XML_ZONE, .key = "brand", .width = 14,
	  .help = "Kind of VM: kvm and others." },
	{ .name = "alias", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_META,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "alias", .conv = CONV_B64, .width = 10,
	  .help = "Name for people; need not be unique." },
	{ .name = "owner_uuid", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_META,
	  .def = NO_UUID, .source = SRC_XML, .xml = XML_ATTR, .key = "owner-uuid", .width = 36,
	  .help = "Owner, for management systems." },
	{ .name = "billing_id", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_META,
	  .def = NO_UUID, .source = SRC_XML, .xml = XML_ATTR, .key = "billing-id", .width = 36,
	  .help = "Who pays, for management systems." },
	{ .name = "hostname", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "hostname", .width = 32,
	  .help = "Host name given to the guest." },
	{ .name = "create_timestamp", .type = PROP_TIME, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_RECEIVE,
	  .def = "now", .source = SRC_XML, .xml = XML_ATTR, .key = "create-timestamp", .width = 24,
	  .help = "When the VM was created." },
	{ .name = "v", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_RECEIVE, .min = 0, .max = INT32_MAX,
	  .def = "1", .source = SRC_XML, .xml = XML_ATTR, .key = "vm-version", .conv = CONV_NUM,
	  .help = "Version of the object's format." },
	{ .name = "do_not_inventory", .type = PROP_BOOL, .brands = BRANDS_ALL,
	  .flags = PROP_LISTABLE | PROP_CREATE | PROP_HIDE_FALSE, .update = UPDATE_META,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "do-not-inventory", .conv = CONV_BOOL, .heading = "DNI", .width = 5,
	  .help = "Ask management systems to ignore the VM." },
	{ .name = "resolvers", .type = PROP_LIST, .brands = BRANDS_ALL, .flags = PROP_CREATE | PROP_ALWAYS, .update = UPDATE_BOOT,
	  .empty = "[]", .source = SRC_XML, .xml = XML_ATTR, .key = "resolvers", .conv = CONV_LIST, .validate = rule_addresses,
	  .help = "Addresses of name servers for the guest." },
	{ .name = "firewall_enabled", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE | PROP_ALWAYS,
	  .update = UPDATE_LIVE, .empty = "false", .source = SRC_XML, .xml = XML_ATTR, .key = "firewall-enabled", .conv = CONV_BOOL,
	  .width = 16,
	  .help = "Whether firewall rules apply to the VM." },
	{ .name = "provisioning", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_HIDE_FALSE, .source = SRC_XML,
	  .xml = XML_ATTR, .key = "provisioning", .conv = CONV_BOOL,
	  .help = "Present and true while create prepares the VM." },
	{ .name = "failed", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_XML, .xml = XML_ATTR, .key = "failed",
	  .help = "What failed for good; makes the state failed." },
	{ .name = "transition", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_RECEIVE, .source = SRC_XML,
	  .xml = XML_ATTR, .key = "transition", .compute = compute_transition,
	  .help = "Stored form <state>:<target>:<expiry, ms> of a transition; objects show its parts." },
	{ .name = "restart_policy", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE,
	  .update = UPDATE_BOOT, .source = SRC_XML, .xml = XML_ATTR, .key = "restart-policy", .values = restart_policies, .width = 14,
	  .help = "Whether the VM is started again after its hypervisor ended: never (default), on-failure, always." },
	{ .name = "ram", .type = PROP_INT, .unit = "MiB", .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE,
	  .update = UPDATE_BOOT, .min = 0, .max = MIB_MAX, .def = "256", .source = SRC_XML, .xml = XML_ATTR, .key = "ram",
	  .conv = CONV_NUM, .width = 7,
	  .help = "Memory of the guest." },
	{ .name = "vcpus", .type = PROP_INT, .brands = BRANDS_HVM, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_BOOT,
	  .min = 1, .max = 1024, .def = "1", .source = SRC_XML, .xml = XML_ATTR, .key = "vcpus", .conv = CONV_NUM, .width = 5,
	  .help = "Number of virtual CPUs." },
	{ .name = "cpu_type", .type = PROP_STRING, .brands = KVM, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "cpu-type", .validate = rule_cpu_type, .width = 8,
	  .help = "CPU model of the guest, with features after commas; unset: the best the accelerator offers." },
	{ .name = "machine_type", .type = PROP_STRING, .brands = KVM, .source = SRC_XML, .xml = XML_ATTR, .key = "machine-type",
	  .help = "Versioned machine of the guest, pinned at create so that its hardware does not change." },
	{ .name = "vnc_port", .type = PROP_INT, .brands = BRANDS_HVM, .flags = PROP_CREATE, .update = UPDATE_LIVE,
	  .min = -1, .max = 65535, .source = SRC_XML, .xml = XML_ATTR, .key = "vnc-port", .conv = CONV_NUM,
	  .help = "TCP port of the display; 0 or unset: a random one, -1: none." },
	{ .name = "vnc_password", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE | PROP_SECRET, .update = UPDATE_LIVE,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "vnc-password", .conv = CONV_B64, .validate = rule_vnc_password,
	  .help = "Password of the display, at most 8 characters." },
	{ .name = "kernel_image", .type = PROP_STRING, .brands = KVM, .flags = PROP_CREATE | PROP_PATH, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "kernel-image",
	  .help = "Host path of a kernel to boot directly, without firmware and boot loader." },
	{ .name = "initrd_image", .type = PROP_STRING, .brands = KVM, .flags = PROP_CREATE | PROP_PATH, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "initrd-image",
	  .help = "Host path of the initial RAM disk for kernel_image." },
	{ .name = "kernel_args", .type = PROP_STRING, .brands = KVM, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "kernel-args", .conv = CONV_B64, .validate = rule_line,
	  .help = "Command line of kernel_image." },
	{ .name = "disk_driver", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "disk-driver", .validate = rule_name,
	  .help = "Model of disks that name none." },
	{ .name = "nic_driver", .type = PROP_STRING, .brands = BRANDS_HVM, .flags = PROP_CREATE, .update = UPDATE_BOOT,
	  .source = SRC_XML, .xml = XML_ATTR, .key = "nic-driver", .validate = rule_name,
	  .help = "Model of NICs that name none." },
	{ .name = "disks", .type = PROP_OBJECTS, .brands = BRANDS_HVM, .flags = PROP_LISTABLE | PROP_CREATE, .update = UPDATE_VERB,
	  .source = SRC_XML, .xml = XML_DEVICE, .key = "device", .compute = compute_disks, .members = disk_members,
	  .identity = "path", .noun = "disk", .order = order_disk,
	  .help = "Disks." },
	{ .name = "nics", .type = PROP_OBJECTS, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE | PROP_ALWAYS,
	  .update = UPDATE_VERB, .empty = "[]", .source = SRC_XML, .xml = XML_NETWORK, .key = "network", .compute = compute_array,
	  .members = nic_members, .identity = "mac", .noun = "NIC", .order = order_nic,
	  .help = "Network interfaces." },

	/* Of the host and the container. */
	{ .name = "uuid", .type = PROP_UUID, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .source = SRC_COMPUTED,
	  .compute = compute_uuid, .width = 36,
	  .help = "Identity of the VM, by default a random one." },
	{ .name = "zone_state", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_INDEX,
	  .compute = compute_zone_state, .width = 10,
	  .help = "State of the VM's container." },
	{ .name = "zonepath", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_INDEX,
	  .compute = compute_zonepath, .width = 40,
	  .help = "Directory of the VM." },
	{ .name = "hvm", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_COMPUTED,
	  .compute = compute_hvm, .width = 5,
	  .help = "Whether it is a hardware VM." },
	{ .name = "zoneid", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_ALWAYS, .empty = "null",
	  .source = SRC_RUN, .width = 6,
	  .help = "Number of this run of the VM, new at each start; null when it does not run." },
	{ .name = "zonedid", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_ALWAYS, .empty = "null", .source = SRC_XML,
	  .xml = XML_ZONE, .key = "debugid", .conv = CONV_NUM,
	  .help = "Small number of the VM, given at create." },
	{ .name = "last_modified", .type = PROP_TIME, .brands = BRANDS_ALL, .source = SRC_FILES,
	  .help = "When a file of the VM last changed, whole seconds." },
	{ .name = "exit_status", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_EXIT,
	  .compute = compute_exit, .heading = "EXIT", .width = 4,
	  .help = "How the last run ended: exit code, or minus the signal." },
	{ .name = "exit_timestamp", .type = PROP_TIME, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_EXIT,
	  .compute = compute_exit, .width = 24,
	  .help = "When the last run ended." },
	{ .name = "server_uuid", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_SYSINFO, .key = "UUID",
	  .help = "Identity of the host." },
	{ .name = "datacenter_name", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_SYSINFO, .key = "Datacenter Name",
	  .help = "Where the host is, if it says so." },
	{ .name = "platform_buildstamp", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_SYSINFO, .key = "Live Image",
	  .help = "Version of the host's platform." },
	{ .name = "headnode_id", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_SYSINFO, .key = "Headnode ID",
	  .help = "Head node of the host, if it says so." },
	{ .name = "state", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_COMPUTED,
	  .compute = compute_state, .width = 16,
	  .help = "State of the VM." },
	{ .name = "transition_to", .type = PROP_STRING, .brands = BRANDS_ALL, .source = SRC_COMPUTED, .compute = compute_transition_to,
	  .help = "Where the current transition leads." },
	{ .name = "transition_expire", .type = PROP_INT, .unit = "ms", .brands = BRANDS_ALL, .source = SRC_COMPUTED,
	  .compute = compute_transition_expire,
	  .help = "When the current transition expires, since the epoch." },

	/* While it runs. */
	{ .name = "boot_timestamp", .type = PROP_TIME, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_RUN, .width = 24,
	  .help = "When the VM was started." },
	{ .name = "init_restarts", .type = PROP_INT, .brands = BRANDS_ALL, .source = SRC_RUN,
	  .help = "How often the restart policy started it again." },
	{ .name = "pid", .type = PROP_INT, .brands = BRANDS_ALL, .flags = PROP_LISTABLE, .source = SRC_RUN, .width = 6,
	  .help = "Process of the hypervisor." },
	{ .name = "quarantined", .type = PROP_BOOL, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_HIDE_FALSE, .source = SRC_RUN,
	  .width = 11,
	  .help = "Present and true when the restart budget is spent: not started again until released." },

	/* Configuration files. */
	{ .name = "customer_metadata", .type = PROP_MAP, .brands = BRANDS_ALL,
	  .flags = PROP_LISTABLE | PROP_FILTER | PROP_CREATE | PROP_SECRET | PROP_ALWAYS, .update = UPDATE_VERB, .empty = "{}",
	  .source = SRC_CONFIG, .key = "metadata.json",
	  .help = "Values for the guest, which may change them." },
	{ .name = "internal_metadata", .type = PROP_MAP, .brands = BRANDS_ALL,
	  .flags = PROP_LISTABLE | PROP_FILTER | PROP_CREATE | PROP_SECRET | PROP_ALWAYS, .update = UPDATE_VERB, .empty = "{}",
	  .source = SRC_CONFIG, .key = "metadata.json",
	  .help = "Values for the guest, which may only read them." },
	{ .name = "routes", .type = PROP_MAP, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE | PROP_ALWAYS,
	  .update = UPDATE_VERB, .empty = "{}", .source = SRC_CONFIG, .key = "routes.json", .validate = rule_routes,
	  .help = "Static routes: destination to gateway." },
	{ .name = "tags", .type = PROP_MAP, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_FILTER | PROP_CREATE | PROP_ALWAYS,
	  .update = UPDATE_VERB, .empty = "{}", .source = SRC_CONFIG, .key = "tags.json",
	  .help = "Values for people and management systems." },

	/* Storage. */
	{ .name = "quota", .type = PROP_INT, .unit = "GiB", .brands = BRANDS_ALL,
	  .flags = PROP_LISTABLE | PROP_CREATE | PROP_KEEP_ZERO, .update = UPDATE_LIVE, .min = 0, .max = GIB_MAX, .def = "10",
	  .source = SRC_DATASET, .compute = compute_quota, .width = 5,
	  .help = "Limit of the VM's directory, disks not counted; 0: none." },
	{ .name = "zfs_filesystem", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_RECEIVE, .source = SRC_DATASET,
	  .compute = compute_zfs_filesystem,
	  .help = "Name of the VM's file system in its pool." },
	{ .name = "zpool", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_CREATE, .def = "\"zones\"",
	  .source = SRC_DATASET, .compute = compute_zpool, .validate = rule_name, .width = 12,
	  .help = "Storage pool of the VM." },
	{ .name = "snapshots", .type = PROP_JSON, .brands = BRANDS_ALL, .flags = PROP_ALWAYS, .empty = "[]", .source = SRC_DATASET,
	  .help = "Snapshots, newest first." },
	{ .name = "load_error", .type = PROP_JSON, .brands = BRANDS_ALL, .source = SRC_COMPUTED,
	  .help = "Why the object is not what its sources say: file, line and reason." },
	{ .name = "type", .type = PROP_STRING, .brands = BRANDS_ALL, .flags = PROP_LISTABLE | PROP_VIRTUAL, .source = SRC_COMPUTED,
	  .compute = compute_type, .needs = "brand", .width = 4,
	  .help = "Short name of the brand's kind, for list and lookup." },
	{ .name = NULL },
};
/* clang-format on */

const unsigned properties_len = ARRAY_LEN(properties) - 1;

/* --- Finding rows --- */

struct index_entry {
	const struct prop *parent; /* NULL: top level */
	const struct prop *row;
};
static struct index_entry *row_index; /* sorted; made once, kept for ever */
static size_t row_index_len;

static int
compare_entries(const void *va, const void *vb)
{
	const struct index_entry *a = va, *b = vb;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	return strcmp(a->row->name, b->row->name);
}

static void
index_rows(const struct prop *parent, const struct prop *rows)
{
	for (const struct prop *p = rows; p->name; p++) {
		row_index = xreallocarray(row_index, row_index_len + 1, sizeof(*row_index));
		row_index[row_index_len++] = (struct index_entry){ parent, p };
		if (p->members)
			index_rows(p, p->members);
	}
}

static const struct prop *
find_row(const struct prop *parent, const char *name)
{
	const struct prop wanted = { .name = name };
	const struct index_entry key = { parent, &wanted };
	const struct index_entry *found;

	if (!row_index) {
		index_rows(NULL, properties);
		assert(row_index);
		qsort(row_index, row_index_len, sizeof(*row_index), compare_entries);
	}
	found = bsearch(&key, row_index, row_index_len, sizeof(*row_index), compare_entries);
	return found ? found->row : NULL;
}

const struct prop *
prop_find(const char *name)
{
	return find_row(NULL, name);
}

const struct prop *
prop_member(const struct prop *p, const char *name)
{
	return find_row(p, name);
}

bool
prop_is_secret(const char *top_level_name)
{
	const struct prop *p = prop_find(top_level_name);

	/* What the table does not know is not shown. */
	return !p || (p->flags & PROP_SECRET);
}

json_t *
prop_empty(const struct prop *p)
{
	switch (p->empty[0]) {
	case '[':
		return json_array();
	case '{':
		return json_object();
	case 'f':
		return json_false();
	default:
		return json_null();
	}
}

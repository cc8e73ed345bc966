"""The main job shown on a real guest; started by ./demo, which installs and builds first."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib"))

import vmhost  # noqa: E402

BOLD, DIM, GREEN, RESET = ("\033[1m", "\033[2m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "")
PRINT = threading.Lock()
DELAYS = []


def say(text):
    with PRINT:
        print(f"{BOLD}== {text}{RESET}", flush=True)


def show(host, *args):
    """Run a command as a user would type it, and show it with its output."""
    with PRINT:
        print(f"{GREEN}$ vmadm {' '.join(args)}{RESET}", flush=True)
    p = host.vmadm(*args)
    with PRINT:
        print(p.stdout + p.stderr, end="", flush=True)
    return p


class Stream:
    """Our own listener, and `vminfo events` printing the same live."""

    def __init__(self, host):
        self.host = host
        self.events = host.events()
        self.cli = host.popen("vminfo", "events", stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.copy, daemon=True)
        self.thread.start()

    def copy(self):
        for line in self.cli.stdout:
            with PRINT:
                print(f"{DIM}   event {line.rstrip()[:150]}{RESET}", flush=True)

    def delay(self, what, at, wanted):
        event = self.events.wait(wanted)
        ms = (event["_at"] - at) * 1000
        DELAYS.append((what, ms))
        say(f"{what}: the event came after {ms:.1f} ms")
        return event

    def close(self):
        self.events.close()
        self.cli.terminate()
        self.cli.wait()
        self.thread.join(5)


def demonstrate(host, guest):
    began = time.monotonic()
    say(f"vminfod starts in the private root {host.root}")
    host.start()
    stream = Stream(host)
    payload = vmhost.guest_payload(guest, alias="demo", uuid="5a7f3c7e-0d0c-4f55-8c32-2f0b3a1c9d11")
    uuid = payload["uuid"]
    say("The payload of a VM: kernel, initrd, one 1 GiB disk, one NIC")
    file = host.root / "vm.json"
    file.write_text(json.dumps(payload, indent=2) + "\n")
    print(file.read_text(), end="")
    show(host, "create", "-f", str(file))
    vm = host.vm(uuid)
    say(f"get right after create: state {vm['state']}, pid {vm['pid']}, booted {vm['boot_timestamp']}, "
        f"disk {vm['disks'][0]['size']} MiB, MAC {vm['nics'][0]['mac']}")
    say("Waiting for the guest's own line on its serial console")
    text = host.wait_console(uuid, f"guest up {uuid}")
    booted = time.monotonic() - began
    print(next(x for x in text.splitlines() if "guest up" in x).strip())
    show(host, "list")
    show(host, "update", uuid, "alias=renamed", "quota=20")
    show(host, "list", "-o", "uuid,alias,quota,state")

    say("Behind vmnode's back: a new tags.json is moved into place")
    new = host.path(f"/zones/{uuid}/config/tags.json.mine")
    new.write_text('{"moved": "by hand"}')
    at = time.monotonic()
    os.replace(new, host.path(f"/zones/{uuid}/config/tags.json"))
    stream.delay("tags.json moved into place", at, lambda e: e["type"] == "modify" and e["vm"]["tags"] == {"moved": "by hand"})

    say("vminfod is killed and started again while the VM runs")
    stream.close()
    host.stop(signal.SIGKILL)
    host.start()
    stream = Stream(host)
    assert host.vm(uuid)["pid"] == vm["pid"]
    show(host, "list")

    say("Behind vmnode's back: kill -9 of QEMU")
    at = host.kill(uuid, "hypervisor")
    stream.delay("kill -9 of QEMU", at, lambda e: e["type"] == "modify" and e["vm"]["zone_state"] != "running")
    stream.events.wait(lambda e: e["type"] == "modify" and e["vm"]["state"] == "stopped")
    print("   ledger " + host.path(f"/zones/{uuid}/exits.jsonl").read_text().splitlines()[-1])
    show(host, "start", uuid)
    host.wait_console(uuid, f"guest up {uuid}")
    say("A graceful stop: the guest gets the ACPI power button and powers itself off")
    show(host, "stop", uuid)
    show(host, "list")
    if KEEP:
        show(host, "start", uuid)
        return stream
    show(host, "delete", uuid)
    stream.events.wait(lambda e: e["type"] == "delete")
    stream.close()
    say("Summary")
    print(f"   guest up {booted:.1f} s after the start of vminfod; {len(stream.events.seen) - 1} events since the restart")
    for what, ms in DELAYS:
        print(f"   {what}: {ms:.1f} ms from the change to the event at a client")
    print(f"   {time.monotonic() - began:.0f} s in all; nothing is left behind")
    return None


KEEP = "--keep" in sys.argv[1:]


def main():
    guest = vmhost.guest()
    root = tempfile.mkdtemp(prefix="vmnode-demo.")
    os.chmod(root, 0o755)
    host = vmhost.Host(root)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kept = False
    try:
        stream = demonstrate(host, guest)
        if KEEP:
            stream.close()
            kept = True
            q = shlex.quote
            say("Everything is left running. Go on by hand:")
            print(f"   export VMNODE_ROOT={q(root)} PATH={q(str(vmhost.BIN))}:$PATH\n"
                  "   vmadm list;  vminfo events;  vmadm console <uuid>   (Ctrl-] ends)\n"
                  f"   to end it:  vmadm delete <uuid>; kill {host.daemon.pid}; rm -r {q(root)}")
    except KeyboardInterrupt:
        say("Interrupted: cleaning up")
        return 130
    finally:
        if not kept:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            host.reap()
    return 0


if __name__ == "__main__":
    sys.exit(main())

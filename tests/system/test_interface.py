"""What users and clients see: the HTTP interface, the command lines, other users."""

import json
import os
import re
import socket
import subprocess

import pytest
import vmhost

PROGRAMS = ["vminfod", "vminfo", "vmadm", "vm-monitor"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_version_and_bad_options(bare, program):
    p = bare.run(program, "--help")
    assert program in p.stdout and p.stderr == ""
    assert re.match(rf"{program} \d+\.\d+\.\d+\n$", bare.run(program, "--version").stdout)
    p = bare.run(program, "--nosuch", check=False)
    assert p.returncode == 2 and p.stdout == ""
    assert "nosuch" in p.stderr
    if program != "vmadm":
        assert len(p.stderr.splitlines()) == 1


def test_http_paths(host):
    uuid = host.create(vmhost.quick_payload())
    for path, status, body in [
            ("/ping", 200, b'{"ping":"pong"}'), ("/ping/x", 200, b'{"ping":"pong"}'), ("//ping", 200, b'{"ping":"pong"}'),
            ("/vms/../ping", 200, b'{"ping":"pong"}'), ("/", 404, b"Unsupported URL Path"), ("/Ping", 404, b"Unsupported URL Path"),
            ("/vms/nosuch", 404, b"VM Not Found: nosuch"), ("/vms/a%2fb", 404, b"VM Not Found: a%2fb"), ("/%70ing", 404, b"Unsupported URL Path"),
            ("/vms/%00", 404, b"VM Not Found: %00")]:
        s, b, h = host.http(path)
        assert (s, b) == (status, body), path
        assert h["Content-Type"] == "application/json"
    for method in ("POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
        s, b, _ = host.http("/nosuch", method)
        assert (s, b) == (400, b"")
    assert host.get("/vms") == [host.get(f"/vms/{uuid}")] == [host.get(f"/vms/{uuid}/anything")]
    assert list(host.get("/vms?fields=uuid,alias,ram,nosuch")[0]) in (["uuid", "ram"], ["ram", "uuid"])
    missing = "00000000-0000-4000-8000-000000000000"
    assert host.http(f"/vms/{missing}?sync=1")[0] == 404


def test_status(host):
    ev = host.events()
    st = host.get("/status")
    keys = ["pid", "uptime", "memory", "state", "status", "numVms", "curDate", "curTime", "queue", "lastRefresh", "refreshErrors",
            "eventsListeners"]
    assert list(st)[:len(keys)] == keys
    assert st["state"] == "running" and st["status"] == "working" and st["pid"] == host.daemon.pid
    assert re.fullmatch(r"\d+\.\d{9}s \([\d.]+(ns|us|ms|s|m|h|d)\)", st["uptime"])
    assert list(st["eventsListeners"]) == [ev.ready["uuid"]]
    full = host.get("/status?full=false")
    assert "refreshLog" in full and "watching" in full["fswatcher"]


def test_tcp_and_web_pages(host):
    def ask(head):
        with socket.create_connection(("127.0.0.1", host.port), timeout=vmhost.WAIT) as s:
            s.sendall(head.encode() + b"\r\n")
            return s.recv(65536).split(b"\r\n")[0]
    assert b" 200 " in ask("GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert b" 200 " in ask(f"GET /ping HTTP/1.1\r\nHost: localhost:{host.port}\r\n")
    assert b" 403 " in ask("GET /vms HTTP/1.1\r\nHost: evil.example\r\n")
    assert b" 403 " in ask("GET /vms HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n")
    assert ask("nonsense\r\n") == b"", "what is no request is closed without an answer"
    assert b" 200 " in ask("GET /ping HTTP/1.1\r\nHost: [::1]\r\n")


@pytest.mark.root
def test_other_users_get_no_secrets(host):
    secret = "s3cret-value"
    uuid = host.create(vmhost.quick_payload(customer_metadata={"k": secret}, internal_metadata={"pw": secret}, vnc_password=secret[:8]))
    url = f"http://127.0.0.1:{host.port}"
    get = ["/usr/bin/python3", "-c", "import sys,urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"]
    mine = subprocess.run([*get, f"{url}/vms/{uuid}"], text=True, capture_output=True, check=True).stdout
    theirs = subprocess.run([*get, f"{url}/vms/{uuid}"], text=True, capture_output=True, check=True, user=65534, group=65534,
                            extra_groups=[]).stdout
    assert secret in mine and secret[:8] not in theirs
    vm = json.loads(theirs)
    assert vm["uuid"] == uuid and vm["customer_metadata"] == {} and "vnc_password" not in vm
    listing = subprocess.run([*get, f"{url}/vms?fields=customer_metadata,vnc_password,uuid"], text=True, capture_output=True, check=True,
                             user=65534, group=65534, extra_groups=[]).stdout
    assert secret[:8] not in listing and uuid in listing
    # events: the secret change is not told, the public one is
    code = ("import socket,sys\n"
            "s=socket.create_connection(('127.0.0.1',int(sys.argv[1])));s.sendall(b'GET /events HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
            "b=b''\n"
            "while b'marker-alias' not in b:\n"
            "    d=s.recv(65536)\n"
            "    if b'ready' in d: print('ready',flush=True)\n"
            "    b+=d\n"
            "print(b.decode())\n")
    p = subprocess.Popen(["/usr/bin/python3", "-c", code, str(host.port)], text=True, stdout=-1, user=65534, group=65534, extra_groups=[])
    assert p.stdout.readline() == "ready\n"
    host.vmadm("update", uuid, input=json.dumps({"set_customer_metadata": {"k2": secret + "2"}}))
    host.vmadm("update", uuid, "alias=marker-alias")
    out = p.communicate(timeout=vmhost.WAIT)[0]
    assert secret[:8] not in out and "marker-alias" in out
    # the Unix socket and the files are closed to them
    r = subprocess.run(["/usr/bin/python3", "-c", "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
                        str(host.path("/run/vmnode/vminfod.sock"))], capture_output=True, text=True, user=65534, group=65534, extra_groups=[])
    assert "PermissionError" in r.stderr
    for f in (f"/etc/zones/{uuid}.xml", f"/zones/{uuid}/config/metadata.json"):
        assert subprocess.run(["cat", str(host.path(f))], capture_output=True, user=65534, group=65534, extra_groups=[]).returncode != 0


def test_list_and_lookup(host):
    a = host.create(vmhost.quick_payload(alias="web1", ram=128, tags={"role": "web"}))
    b = host.create(vmhost.quick_payload(alias="db1", ram=64))
    out = host.vmadm("list").stdout.splitlines()
    assert out[0] == "UUID                                  TYPE  RAM      STATE             ALIAS"
    assert out[1].split() == [b, "KVM", "64", "stopped", "db1"] and out[2].split() == [a, "KVM", "128", "stopped", "web1"]
    assert host.vmadm("list", "-p", "-o", "alias,ram", "-s", "-ram").stdout == "web1:128\ndb1:64\n"
    assert host.vmadm("list", "-H", "-o", "alias", "alias=~^WEB").stdout == "web1\n"
    assert host.vmadm("list", "-pHo", "uuid", "tags.role=web").stdout == a + "\n"
    assert host.vmadm("lookup", "alias=db1").stdout == b + "\n"
    assert host.vmadm("lookup", "-1", check=False).stderr == "Requested unique lookup but found 2 results.\n"
    assert json.loads(host.vmadm("lookup", "-j", "-o", "alias,type", "ram=128").stdout) == [{"alias": "web1", "type": "KVM"}]
    for args, text in [(["list", "nosuch=1"], 'Invalid filter key: "nosuch"\n'), (["lookup", "nosuch=1"], 'Invalid lookup key: "nosuch"\n'),
                       (["list", "-o", "nosuch"], "invalid order field: nosuch\n"), (["list", "-s", "nosuch"], "invalid sort field: nosuch\n"),
                       (["lookup", "-o", "uuid"], "Cannot specify -o without -j\n")]:
        p = host.vmadm(*args, check=False)
        assert (p.returncode, p.stderr, p.stdout) == (1, text, ""), args


BAD_PAYLOADS = [
    ("", "Invalid JSON payload"), ("[]", "object"), ('{"brand":"kvm"', "Invalid JSON payload"), ('{"brand":"kvm","ram":"lots"}', "Invalid value(s) for: ram"),
    ('{"brand":"kvm","ram":-1}', "Invalid value(s) for: ram"), ("{}", "Missing required properties: brand"), ('{"brand":"nosuch"}', "nosuch"),
    ('{"brand":"bhyve"}', 'use brand "kvm"'), ('{"brand":"joyent"}', '"joyent"'), ('{"brand":"kvm","kernel_image":"/nosuch/kernel"}', "kernel_image"),
    ('{"brand":"kvm","kernel_image":"relative"}', "kernel_image"), ('{"brand":"kvm","kernel_image":"/etc"}', "kernel_image"),
    ('{"brand":"kvm","nics":[{"nic_tag":"nosuch","model":"virtio"}]}', 'Invalid nic tag "nosuch"'),
    ('{"brand":"kvm","nics":[{"nic_tag":"user","model":"virtio","mac":"zz"}]}', "nics.*.mac"),
    ('{"brand":"kvm","disks":[{"model":"virtio"}]}', "disks.0.size"), ('{"brand":"kvm","disks":{}}', "disks"),
    ('{"brand":"kvm","vnc_password":"123456789"}', "vnc_password"), ('{"brand":"kvm","uuid":"../../etc/passwd"}', "uuid"),
    ('{"brand":"kvm","alias":"a","alias":"b"}', "Invalid JSON payload"), ('{"brand":"kvm","alias":"\\ud800"}', "Invalid JSON payload"),
    ('{"brand":"kvm","tags":' + '{"a":' * 3000 + "1" + "}" * 3001, "Invalid JSON payload"),
    ('{"brand":"kvm","kernel_args":"a\\nb"}', "kernel_args"),
]


@pytest.mark.parametrize("text,wanted", BAD_PAYLOADS)
def test_bad_payload_is_one_sentence_and_leaves_nothing(host, text, wanted):
    p = host.vmadm("create", input=text, check=False)
    assert p.returncode == 1 and p.stdout == "" and wanted in p.stderr and len(p.stderr.splitlines()) == 1, p.stderr
    assert host.get("/vms") == [] and not list(host.path("/zones").glob("*-*-*"))


def test_usage(host):
    for args, code, text in [((), 2, "Usage:"), (("frobnicate",), 2, 'Invalid command: "frobnicate".'), (("get",), 2, "Invalid or missing UUID for get"),
                             (("stop", "abc"), 2, "Invalid or missing UUID for stop"), (("update",), 2, "Invalid or missing UUID for update")]:
        p = host.vmadm(*args, check=False)
        assert p.returncode == code and text in p.stderr and p.stdout == "", args
    missing = "00000000-0000-4000-8000-000000000000"
    for args, text in [(("get", missing), f"zoneadm: {missing}: No such zone configured\n"), (("stop", missing), f"VM {missing} not found\n"),
                       (("delete", missing), f"Failed to delete VM {missing}: VM {missing} not found\n"),
                       (("start", missing), f"Unable to start VM {missing}: VM {missing} not found\n"),
                       (("update", missing, "ram=1"), f"VM {missing} not found\n"), (("events", missing), f"VM {missing} not found\n"),
                       (("create", "-f", "/nosuch.json"), "File: /nosuch.json does not exist.\n")]:
        p = host.vmadm(*args, check=False)
        assert (p.returncode, p.stderr) == (1, text), args
    assert host.vmadm("help").stdout.startswith("Usage:")


def test_update_verbs_and_ignored_members(host):
    uuid = host.create(vmhost.quick_payload(alias="a", tags={"x": 1, "y": "z"}))
    vm = host.vm(uuid)
    vm["alias"] = "edited"
    host.vmadm("update", uuid, input=json.dumps(vm))
    host.vmadm("update", uuid, input=json.dumps({"set_tags": {"n": True}, "remove_tags": ["x", "nosuch"]}))
    new = host.vm(uuid)
    assert new["tags"] == {"y": "z", "n": True} and new["alias"] == "edited" and new["nics"] == vm["nics"]
    host.vmadm("update", uuid, "alias=")
    assert "alias" not in host.vm(uuid)
    p = host.vmadm("update", uuid, input='{"remove_tags": 1}', check=False)
    assert p.returncode == 1 and "remove_tags" in p.stderr
    p = host.vmadm("update", uuid, "ram=abc", check=False)
    assert p.returncode == 1 and "Invalid value(s) for: ram" in p.stderr
    mac = new["nics"][0]["mac"]
    host.vmadm("update", uuid, input=json.dumps({"update_nics": [{"mac": mac, "model": "e1000"}], "add_nics": [{"nic_tag": "user", "model": "virtio"}]}))
    nics = host.vm(uuid)["nics"]
    assert len(nics) == 2 and nics[0]["model"] == "e1000" and [n.get("primary") for n in nics] == [True, None]


def test_vminfo(host):
    uuid = host.create(vmhost.quick_payload(alias="a"))
    assert host.run("vminfo", "ping").stdout == "pong\n"
    assert json.loads(host.run("vminfo", "vms").stdout) == host.get("/vms")
    assert json.loads(host.run("vminfo", "vm", uuid).stdout) == host.get(f"/vms/{uuid}")
    p = host.run("vminfo", "vm", "nosuch", check=False)
    assert (p.returncode, p.stderr) == (1, "bad statusCode: 404\n")
    text = host.run("vminfo", "status", "-f").stdout.splitlines()
    assert text[0] == "state: running (working)" and text[1] == f"pid: {host.daemon.pid}" and "queue" in text and "fswatcher" in text
    assert json.loads(host.run("vminfo", "status", "-j").stdout)["numVms"] == 1
    p = host.popen("vminfo", "events", "-r", stdout=-1)
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\.\d{3}Z\] ready\n", p.stdout.readline())
    host.vmadm("update", uuid, "alias=b")
    assert re.fullmatch(rf'\[[^]]+\] {uuid[:8]} b modify: alias changed :: "a" -> "b"\n', p.stdout.readline())
    p.kill()
    host.stop()
    p = host.run("vminfo", "ping", check=False)
    assert p.returncode == 1 and "connect" in p.stderr


def test_console_command(host, bootsector):
    uuid = vmhost.create_quick(host, bootsector)
    p = host.vmadm("console", uuid, check=False)
    assert p.returncode == 1 and "stopped" in p.stderr
    host.vmadm("start", uuid)
    p = host.popen("vmadm", "console", uuid, stdin=-1, stdout=-1)
    assert p.stdout.read(1) == "R"
    p.stdin.write("\x1d")
    p.stdin.flush()
    assert p.wait(vmhost.WAIT) == 0


def test_result_fd_and_who(host):
    r, w = os.pipe()
    p = host.popen("vmadm", "create", "--by", "agent 7", "--reason", "autoboot", "--result-fd", str(w), stdin=-1, pass_fds=[w])
    os.close(w)
    p.communicate(json.dumps(vmhost.quick_payload()))
    out = json.loads(os.read(r, 65536))
    os.close(r)
    assert out["ok"] is True and host.vm(out["uuid"])["state"] == "stopped"


def test_port_taken_and_second_daemon(host):
    p = host.run("vminfod", check=False)
    assert p.returncode == 1 and "already" in p.stderr
    with socket.create_server(("127.0.0.1", 0)) as s:
        other = vmhost.Host(str(host.root) + ".other")
        try:
            p = other.run("vminfod", "--port", s.getsockname()[1], check=False)
            assert p.returncode == 1 and str(s.getsockname()[1]) in p.stderr
        finally:
            other.reap()


def test_root_that_cannot_be_written(host):
    p = subprocess.run([str(host.bin / "vmadm"), "create"], env=dict(host.env, VMNODE_ROOT="/proc"), input="{}", text=True, capture_output=True)
    assert p.returncode == 2 and p.stderr.startswith("FATAL: cannot run because: ")

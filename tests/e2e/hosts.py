"""Machines for tests, as namespaces: each has a host name, networks, /etc/hosts, /tmp and /dev/shm of its own."""
import os
import shutil
import stat
import subprocess
import tempfile

import weft


def why_not():
    """What keeps this machine from having such hosts; empty if nothing does."""
    if weft.UNDER_TMP:
        return "the command lies under /tmp, of which every host here has its own"
    for program in ("ip", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"no {program}"
    try:
        with Hosts({"a": "a"}, networks=[{"a": "10.77.0.1/24"}]) as hosts:
            return "" if hosts.run("a", "true").returncode == 0 else "namespaces cannot be entered"
    except (subprocess.CalledProcessError, AssertionError) as error:
        return f"this machine allows no network namespaces ({error})"


class Hosts:
    """`names`: {our name: host name}. `networks`: each {our name: address/bits} of the hosts it connects. `etc_hosts`: lines.
    `agent` is what ssh is to mpirun; it takes the first network's addresses and host names."""

    def __init__(self, names, networks, etc_hosts=""):
        self.folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.holders = {}
        self.agent = os.path.join(self.folder.name, "agent")
        self.addresses = {name: address.split("/")[0] for name, address in networks[0].items()}
        try:
            with open(os.path.join(self.folder.name, "hosts"), "w", encoding="utf-8") as f:
                f.write("127.0.0.1 localhost\n" + etc_hosts)
            for name, host_name in [*names.items(), ("switch", "switch")]:
                self._start(name, host_name)
            for number, network in enumerate(networks):
                self.connect(network, number)
            self._write_agent(names)
        except BaseException:
            self.close()
            raise

    def _start(self, name, host_name):
        script = (f"hostname {host_name} && mount --make-rprivate / && mount --bind {self.folder.name}/hosts /etc/hosts && "
                  "mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm && ip link set lo up && echo up && exec sleep 1000")
        holder = subprocess.Popen(["unshare", "-n", "-u", "-m", "sh", "-c", script], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.holders[name] = holder
        assert holder.stdout.readline() == "up\n", holder.communicate()[1]

    def connect(self, network, number):
        """A switch with these hosts; its cable in each host is eth<number>."""
        bridge = f"br{number}"
        self.check("switch", f"ip link add {bridge} type bridge && ip link set {bridge} up")
        for name, address in network.items():
            port = f"p{number}{name}"
            self.check("switch", f"ip link add {port} type veth peer name eth{number} netns {self.holders[name].pid} && "
                                 f"ip link set {port} master {bridge} up")
            self.check(name, f"ip address add {address} dev eth{number} && ip link set eth{number} up")

    def _write_agent(self, names):
        with open(self.agent, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nhost=$1; shift\ncase $host in\n")
            for name, host_name in names.items():
                f.write(f'{name}|{host_name}|{self.addresses.get(name, name)}) exec {" ".join(self.inside(name))} sh -c "$*";;\n')
            f.write('*) echo "ssh: Could not resolve hostname $host: unknown" >&2; exit 255;;\nesac\n')
        os.chmod(self.agent, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)

    def inside(self, name):
        """A prefix for commands that run on this host."""
        return ["nsenter", "-t", str(self.holders[name].pid), "-n", "-u", "-m", "--"]

    def run(self, name, script):
        return subprocess.run([*self.inside(name), "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)

    def check(self, name, script):
        done = self.run(name, script)
        assert done.returncode == 0, f"{script}: {done.stderr}"

    def close(self):
        for holder in self.holders.values():
            holder.kill()
            holder.communicate()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

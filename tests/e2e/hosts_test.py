#!/usr/bin/env python3
"""Ranks on several hosts (network namespaces), whose networks and names are as clusters have them; the example of docs/hosts.md."""
import os
import re
import signal
import subprocess
import time
import unittest

import hosts
import weft
from grpc_server import TINY

WHY_NOT = hosts.why_not()
NETWORK = {"a": "10.0.0.1/24", "b": "10.0.0.2/24"}
BRIDGE = ("ip link add docker0 type bridge && ip address add 172.17.0.1/16 dev docker0 && ip link set docker0 up && "
          "ip link add container type veth peer name inside && ip link set container master docker0 up && ip link set inside up")


def example():
    """The hostfile and the commands of docs/hosts.md."""
    text = weft.read_text(os.path.join(weft.SOURCE, "docs", "hosts.md"))
    hostfile, = re.findall(r"```\n(.*?)```", text, re.S)
    commands, = re.findall(r"```sh\n(.*?)```", text, re.S)
    return hostfile, [re.sub(r"\bweft (?=generate|serve|client)", f"{weft.BIN} ", line).replace("MODEL", TINY)
                      for line in commands.splitlines()]


HOSTFILE, (GENERATE, SERVE, CLIENT) = example()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SeveralHosts(unittest.TestCase):
    def start(self, host_names=("alpha", "beta")):
        cluster = hosts.Hosts(dict(zip("ab", host_names)), [NETWORK])
        self.addCleanup(cluster.close)
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write(HOSTFILE)
        return cluster

    def on_a(self, cluster, command):
        env = dict(os.environ, OMPI_MCA_plm_rsh_agent=cluster.agent, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   WEFT_PIN="0")
        process = subprocess.Popen([*cluster.inside("a"), "sh", "-c", f"cd {cluster.folder.name} && exec {command}"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def answers(self, cluster):
        """Both ways of docs/hosts.md, as written."""
        alone = weft.generate(TINY, "--token-ids", "1,2,3", "--max-tokens", 8)
        err = self.on_a(cluster, GENERATE).communicate(timeout=30)[1]
        self.assertIn(f"fingerprint {alone['fingerprint']}", err)
        server = self.on_a(cluster, SERVE)
        err = self.on_a(cluster, f"{CLIENT} --wait 20").communicate(timeout=30)[1]
        self.assertIn("2 ranks", err)
        server.terminate()
        log = server.communicate(timeout=20)[1]
        self.assertEqual(server.returncode, 0, log)
        self.assertEqual([line for line in log.splitlines() if not re.match(weft.LOG_LINE, line)], [])

    def test_example(self):
        self.answers(self.start())

    def test_equal_host_names(self):
        self.answers(self.start(host_names=("node", "node")))

    def test_a_bridge_with_one_address_everywhere(self):
        cluster = self.start()
        for host in "ab":
            cluster.check(host, BRIDGE)
        self.answers(cluster)

    def test_a_network_that_leads_nowhere(self):
        """Both hosts have one, and by its addresses they seem to be on it together; the right one works, the wrong one is told."""
        cluster = self.start()
        cluster.connect({"a": "10.1.0.1/24"}, 1)
        cluster.connect({"b": "10.1.0.2/24"}, 2)
        self.answers(cluster)
        begin = time.monotonic()
        refused = self.on_a(cluster, SERVE + " '--mpirun-args=--mca btl_tcp_if_include 10.1.0.0/24'")
        log = refused.communicate(timeout=30)[1]
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(refused.returncode, 2, log)
        for words in ("rank 0 on host alpha hears nothing from another rank", "10.0.0.1 (eth0), 10.1.0.1 (eth1)", "btl_tcp_if_include"):
            self.assertIn(words, log)

    def test_a_host_that_cannot_be_found(self):
        cluster = self.start()
        with open(os.path.join(cluster.folder.name, "hosts"), "w", encoding="utf-8") as f:
            f.write("10.0.0.1 slots=1\ngamma.example slots=1\n")
        refused = self.on_a(cluster, SERVE)
        log = refused.communicate(timeout=20)[1]
        self.assertEqual(refused.returncode, 2, log)
        self.assertIn("the host name gamma.example does not resolve", log)


if __name__ == "__main__":
    unittest.main()

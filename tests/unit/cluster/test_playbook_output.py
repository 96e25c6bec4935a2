from tests.cluster.playbook_output import changed_tasks, recap

OUTPUT = """
PLAY [The ground] ****

TASK [firewall : Place the rules] ****
changed: [c1]
ok: [c2]
changed: [c2 -> localhost] => (item=a)

RUNNING HANDLER [firewall : Load the rules] ****
changed: [c1]

PLAY RECAP ****
c1                         : ok=31   changed=2    unreachable=0    failed=0    skipped=4    rescued=0    ignored=0
c2                         : ok=30   changed=1    unreachable=0    failed=1    skipped=4    rescued=0    ignored=0

"""  # noqa: E501


def test_each_hosts_counts():
    counts = recap(OUTPUT)
    assert counts.keys() == {"c1", "c2"}
    assert (counts["c1"]["changed"], counts["c2"]["failed"]) == (2, 1)


def test_output_that_was_cut_off_has_no_counts():
    assert recap(OUTPUT.partition("PLAY RECAP")[0]) == {}


def test_changes_are_named_with_task_and_host():
    assert changed_tasks(OUTPUT) == [
        "firewall : Place the rules: c1",
        "firewall : Place the rules: c2 -> localhost",
        "firewall : Load the rules: c1",
    ]

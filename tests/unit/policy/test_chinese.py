"""What the policy says about requests, GPUs and sessions, as users read it in Chinese."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from doubles.inventory import gpu, mig_slice
from gpudock.language import message_of
from gpudock.language.catalog import CHINESE, catalog
from gpudock.language.recognition import recognized
from gpudock.model import (
    Denial,
    GPUProcess,
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    LeaseState,
    Quota,
    Request,
    Telemetry,
    WhenBusy,
)
from gpudock.policy import delivery
from gpudock.policy.admission import refuse
from gpudock.policy.csv_file import CSVFileError, decode
from gpudock.policy.durations import duration_in_words
from gpudock.policy.end_reasons import explain, over
from gpudock.policy.gpu_health import AdminState, DeviceHealth, GPURecord, Rules, assess
from gpudock.policy.quota.delegation import Lead, Levels, Member, refusal
from gpudock.policy.quota.documents import parse_document
from gpudock.policy.quota.errors import QuotaDocumentError, QuotaTableError
from gpudock.policy.quota.resolve import Usage, resolve
from gpudock.policy.quota.table import read_table
from gpudock.policy.scheduling.decide import decide
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting
from gpudock.policy.sessions import Accounts, extend, session

NOW = 1_000_000.0
HOUR = 3600.0
ONE, TWO = gpu(0), gpu(1)


def chinese(text: str | None) -> str:
    assert text is not None
    return catalog(CHINESE).translate(text)


def ask(user: str, gpus: int = 1, **options: object) -> Request:
    return Request(user, user, "", gpus, NOW, "image", **options)


def lab(*requests: Request, used: int = 0, free: bool = True, **quota: object) -> Snapshot:
    """A lab of two GPUs; if they are not *free*, somebody has them."""
    effective = resolve(Quota(**{"max_gpus": 4, **quota}))
    held = Lease("l", "zoe", "", "image", (ONE.uuid, TWO.uuid), NOW)
    return Snapshot(
        NOW,
        tuple(
            DeviceHealth(item, GPUState.FREE, None, grantable=True, in_service=True)
            for item in (ONE, TWO)
        ),
        () if free else (held,),
        tuple(
            Waiting(number, request, replace(effective, used=Usage(gpus=used)))
            for number, request in enumerate(requests)
        ),
    )


def reasons(*requests: Request, **options: object) -> list[str]:
    return [chinese(place.reason) for place in decide(lab(*requests, **options)).places.values()]


def test_why_requests_wait() -> None:
    assert reasons(ask("ada"), ask("bob"), free=False) == ["所有匹配的 GPU 都在使用中。"] * 2
    assert reasons(ask("ada", 3)) == ["此服务器需要 3 个 GPU，而有 2 个匹配的 GPU 在服务中。"]
    assert reasons(ask("ada"), used=4) == [
        "您正在使用配额所允许的 4 个 GPU 中的 4 个；您的另一台服务器停止后，此服务器就会启动。"
    ]


def test_a_request_that_does_not_wait_is_advised_to() -> None:
    (denial,) = decide(lab(ask("ada", when_busy=WhenBusy.FAIL), free=False)).refusals.values()
    assert chinese(denial.message) == "所有匹配的 GPU 都在使用中。请稍后重试，或选择等待。"


@pytest.mark.parametrize(
    ("request_", "quota", "expected"),
    [
        (
            ask("ada", 2),
            {"max_gpus": 1},
            (
                "您的配额允许同时使用 1 个 GPU，而此服务器申请 2 个。"
                "请减少申请的 GPU 数，或请管理员提高配额。"
            ),
        ),
        (
            ask("ada", gpu_model="*H100*"),
            {},
            (
                "本实验室没有 GPU 匹配型号“*H100*”。"
                f"本实验室有：{ONE.model}。请选择其中之一，或任意型号。"
            ),
        ),
        (
            ask("ada"),
            {"gpu_models": ("*H100*", "*H200*")},
            (
                "您的配额只允许 *H100*, *H200*，而本实验室中符合您请求的 GPU 有："
                f"{ONE.model}。请管理员允许其中之一。"
            ),
        ),
        (
            ask("ada"),
            {"gpu_hours": 0.0},
            "您在 30 天内已使用您的 0 GPU 小时中的 0。请选择不带 GPU 的服务器。",
        ),
    ],
)
def test_why_requests_are_refused(request_: Request, quota: dict, expected: str) -> None:
    denial = refuse(request_, resolve(Quota(**{"max_gpus": 4, **quota})), lab())
    assert isinstance(denial, Denial)
    assert chinese(denial.message) == expected


def health(record: GPURecord, *items: GPUReading, **rest: object) -> DeviceHealth:
    return assess([record], InventoryReading(NOW, items), {}, NOW, Rules(), **rest)[0]


def test_what_is_wrong_with_a_gpu() -> None:
    busy = GPUReading(ONE, Telemetry(processes=(GPUProcess(42, 20_000),)))
    freed = GPURecord(ONE, freed_at=NOW - 7200)
    found = health(freed, busy)
    assert chinese(found.reason) == (
        "它的上一个会话已结束 2 小时，但仍有进程在使用它（主机 PID 42）。"
    )
    assert found.transition is not None
    stored = recognized(json.loads(json.dumps(found.transition.past)))
    assert chinese(stored) == "它的上一个会话结束后，仍有进程使用过它（主机 PID 42）。"
    past = GPURecord(ONE, AdminState.OCCUPIED, str(found.transition.past))
    assert chinese(recognized(health(past, GPUReading(ONE, Telemetry(processes=()))).reason)) == (
        "它的上一个会话结束后，仍有进程使用过它（主机 PID 42）。在保持空闲 30 秒后，它会恢复服务。"
    )


def test_why_a_slice_cannot_be_used() -> None:
    part = mig_slice(7, ONE)
    records = [GPURecord(ONE, AdminState.DRAINING, "Drained by root."), GPURecord(part)]
    readings = (GPUReading(part, Telemetry(processes=())),)
    found = {
        item.gpu.uuid: item
        for item in assess(records, InventoryReading(NOW, readings), {}, NOW, Rules())
    }
    assert chinese(found[part.uuid].reason) == f"它所属的 GPU（{ONE.uuid}）正在排空。"


def test_why_the_engine_could_not_give_a_gpu() -> None:
    words = "failed to inject devices: no such device. Try it."
    stored = str(delivery.device_reason(words))
    assert delivery.is_undelivered(stored)
    assert chinese(recognized(stored)) == (
        f"Docker 引擎无法把这个 GPU 交给容器：{words} 请排除原因，然后让该 GPU 恢复服务。"
    )


def lease(**fields: object) -> Lease:
    return Lease("l", "ada", "", "image", (ONE.uuid,), NOW, **fields)


@pytest.mark.parametrize(
    ("words", "reader", "expected"),
    [
        ("its user released it", "ada", "由您停止"),
        ("its user released it", "root", "由 ada 停止"),
        ("its time was up", None, "已达到 12 小时的限制"),
        ("its GPU was not used for 0.5 minutes", None, "已达到 0.5 分钟的空闲限制"),
        (
            "the GPU-hours of the group vision were used up",
            None,
            "用户组 vision 的 GPU 小时数已用完",
        ),
        ("its container exited (1)", None, "JupyterLab 因错误结束（退出码 1）"),
        ("its start failed: no space left.", None, "启动失败：no space left"),
        ("nobody knows", None, "Nobody knows"),
    ],
)
def test_why_a_session_ended(words: str, reader: str | None, expected: str) -> None:
    ended = lease(state=LeaseState.ENDED, end_reason=words, expires_at=NOW + 12 * HOUR)
    assert chinese(explain(ended, reader).text) == expected


def test_a_session_that_is_over_says_so_in_both() -> None:
    ended = lease(state=LeaseState.STOPPING, end_reason="its time was up", expires_at=NOW + 60)
    assert over(ended) == "The session is over: its time was up."
    assert chinese(over(ended)) == "会话已结束：已达到 60 秒的限制。"
    unknown = lease(state=LeaseState.STOPPING, end_reason="nobody knows")
    assert chinese(over(unknown)) == "会话已结束：nobody knows。"


def test_how_long_a_session_lasts() -> None:
    limits = resolve(Quota(max_session_hours=3.0))
    item = lease(state=LeaseState.ACTIVE, expires_at=NOW + 3 * HOUR)
    accounts = Accounts(NOW, {}, {})
    assert chinese(session(item, limits, accounts).why) == "会话将在达到时间限制时结束。"
    why = extend(item, limits, accounts, 1.0)
    assert isinstance(why, str)
    assert chinese(why) == (
        "会话不能再延长：一个会话最长 3 小时。请保存您的工作，之后再重新启动服务器。"
    )


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, "1 秒"), (90, "90 秒"), (120, "2 分钟"), (7200, "2 小时")]
)
def test_durations(seconds: float, expected: str) -> None:
    assert chinese(duration_in_words(seconds)) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"max_gpu": 1}, "配额没有字段“max_gpu”。请使用以下之一："),
        ({"weight": 0}, "weight 应为从 0.001 到 1,000 的数字。"),
        ({"gpu_hours": -1}, "gpu_hours 应为 0，或从 0.01 到 1,000,000 的数字。"),
        ([], '配额是由字段组成的对象，例如 {"max_gpus": 2}。'),
    ],
)
def test_what_is_wrong_with_a_quota(document: object, expected: str) -> None:
    with pytest.raises(QuotaDocumentError) as error:
        parse_document(document, "user")
    assert chinese(message_of(error.value)).startswith(expected)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("level,name,gpus\n", "第 1 行：没有“gpus”列。请使用以下各列：level, name, max_gpus,"),
        ("name\n", "第 1 行：缺少“level”列。"),
        (
            "level,name,max_gpus\nuser,ada\tx,1\n",
            "第 2 行：“name”列的值为“ada\tx”：用户的名称不能有控制字符。",
        ),
        (
            "level,name,weight\nuser,ada,1,5\n",
            '第 2 行：它有 4 个单元格，而表头有 3 个。含有 "," 的单元格请加引号。',
        ),
        (
            "level;name;weight\nuser;ada;1.500\n",
            (
                "第 2 行：“weight”列的值为“1.500”：它可能是 1500，也可能是 1.500。"
                "请写成 1500；若是小数，请写成 1.5000。"
            ),
        ),
        (
            "level,name,weight\nuser,ada,1\nuser,ada,2\n",
            "第 3 行：第 2 行为同一用户“ada”设置了不同的限制。",
        ),
    ],
)
def test_what_is_wrong_with_a_table(table: str, expected: str) -> None:
    with pytest.raises(QuotaTableError) as error:
        read_table(table)
    assert chinese(error.value.problems[0].sentence).startswith(expected)


def test_what_is_wrong_with_a_file() -> None:
    with pytest.raises(CSVFileError) as error:
        decode(b"\xef\xbb\xbflevel\0")
    assert chinese(message_of(error.value)).startswith("这不是文本文件。")


def test_what_a_manager_may_not_give() -> None:
    lead = Lead("lea", {"ada": Member(("vision",), ("vision",))})
    levels = Levels(Quota(max_gpus=2), None, {"vision": {"gpu_hours": 10.0}}, NOW)
    problem = refusal(lead, "ada", None, {"gpu_hours": 20.0}, levels)
    assert chinese(problem) == (
        "您可以将“ada”的 gpu_hours 设为在 30 天内最多 10：这是用户组“vision”所给予的。"
        "如需更多，请联系管理员。"
    )
    problem = refusal(lead, "ada", None, {"max_gpus": 3}, levels)
    assert chinese(problem) == (
        "您可以将“ada”的 max_gpus 设为最多 2：这是默认配额所给予的。如需更多，请联系管理员。"
    )

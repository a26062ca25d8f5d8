"""What a broker answers, as people read it in Chinese."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc

from gpudock.broker import ExtensionError, GPUStateError, QuotaConflictError, QuotaDocumentError
from gpudock.broker.errors import QuotaTableConflictError
from gpudock.language import message_of
from gpudock.language.catalog import CHINESE, catalog
from gpudock.language.recognition import recognized
from gpudock.store import QuotaChange
from gpudock.store.errors import translate
from state_machine.lab import LAB, BrokerLab, ask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> BrokerLab:
    lab = BrokerLab(f"sqlite:///{tmp_path}/gpudock.sqlite")
    lab.look()
    return lab


def chinese(said: BaseException | str) -> str:
    text = message_of(said) if isinstance(said, BaseException) else said
    return catalog(CHINESE).translate(recognized(text))


def test_the_state_of_a_gpu(lab: BrokerLab) -> None:
    uuid = LAB[0].uuid
    assert chinese(lab.broker.gpus.set_state(uuid, "draining", "root").reason) == "由 root 排空。"
    with pytest.raises(GPUStateError) as error:
        lab.broker.gpus.set_state(uuid, "lost", "root")
    assert chinese(error.value) == "GPU 可以设为“active”或“draining”，不能设为“lost”。"
    lab.grant("ada")
    taken = next(item.gpu.uuid for item in lab.broker.gpus.all() if item.lease is not None)
    with pytest.raises(GPUStateError) as error:
        lab.broker.gpus.set_slots(taken, 2, "root")
    assert chinese(error.value) == "该 GPU 正被占用。请将其排空，待其会话结束后再更改份额数。"


def test_a_reason_that_was_stored(lab: BrokerLab) -> None:
    uuid = LAB[0].uuid
    lab.broker.gpus.set_state(uuid, "draining", "root")
    with lab.store.snapshot() as transaction:
        (reason,) = (x.reason for x in transaction.gpus.records() if x.gpu.uuid == uuid)
    assert type(reason) is str
    assert chinese(json.loads(json.dumps(reason))) == "由 root 排空。"


def test_an_extension(lab: BrokerLab) -> None:
    with pytest.raises(ExtensionError) as error:
        lab.broker.sessions.extend("nothing", "ada")
    assert chinese(error.value) == "会话已结束，或从来没有此标识的会话。"


def test_quotas_that_somebody_else_changed(lab: BrokerLab) -> None:
    lab.broker.quotas.set("user", "ada", {"max_gpus": 1}, "root")
    with pytest.raises(QuotaConflictError) as error:
        lab.broker.quotas.set("user", "ada", {"max_gpus": 2}, "eve", revision=0)
    assert chinese(error.value).startswith("用户“ada”的配额已由 root 于 ")
    assert chinese(error.value).endswith(" UTC 更改。请再次查看，如有需要请重新更改。")
    assert chinese(QuotaConflictError("default", "", None)).startswith(
        "默认配额已在此期间被他人删除。"
    )
    assert chinese(QuotaTableConflictError(None)) == (
        "配额在此期间已被更改。未导入任何内容。请重新预览该表格。"
    )


def test_a_document_that_is_changed_twice(lab: BrokerLab) -> None:
    with pytest.raises(QuotaDocumentError) as error:
        lab.broker.quotas.set_all([QuotaChange("group", "vision", None)] * 2, "root")
    assert str(error.value) == 'The quota of the group "vision" is changed twice at once.'
    assert chinese(error.value) == "用户组“vision”的配额被同时更改了两次。"


def test_a_request_that_cannot_be_stored(lab: BrokerLab) -> None:
    denial = lab.broker.requests.submit(ask("ada\0"))
    assert chinese(denial.message) == "请求包含无法保存的文本或数字。请检查服务器的名称和选项。"


def test_a_database_that_fails() -> None:
    error = exc.OperationalError("select", {}, Exception("database is locked"))
    assert chinese(translate(error)).startswith("实验室的数据库被另一个进程锁定。")

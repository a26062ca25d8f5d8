"""The names by which journeys find what they use, in each language of the pages.

What has an id, or a role that only one element of its part of the page has, is found by that; all
other names are here, and nowhere else.
"""

from __future__ import annotations

import re

MY_GPUS = re.compile("^(My GPUs|我的 GPU)")

# Buttons of a session. Those of a server have its name in their labels.
EXTEND = re.compile("^(Extend|延长)")
STOP_SERVER = re.compile("^(Stop server|停止服务器)")
LEAVE_QUEUE = re.compile("^(Leave the queue|退出排队)")

# What a user reads.
NEEDS_APPROVAL = re.compile("as soon as an administrator has approved you|批准")
NOT_APPROVED = re.compile("has not approved your account|批准")
RUNNING = re.compile("Running|运行")
ENDED = re.compile("Session ended|结束|已停止")
STOPPED_BY_YOU = re.compile("Stopped by you|您|你")
NUMBER_1 = re.compile("number 1 |第 ?1 ")
POSITION_1 = re.compile("1 of 1|1 ?/ ?1|第 ?1 ")
NO_GPU = re.compile("You have no GPU right now|没有.*GPU")
WAITING_TITLE = re.compile(r"^\(1\) ")

# Buttons of administrators, and of managers of groups.
DRAIN = re.compile("^(Drain|排空)$")
RETURN_TO_SERVICE = re.compile("^(Return to service|恢复服务)")
KEEP = re.compile("^(Keep|Cancel|保留|取消)")
REVIEW = re.compile("^(Review and save|检查并保存|查看并保存)")
SAVE = re.compile("^(Save|保存)$")
GROUPS = re.compile("^(Groups|用户组)$")
NEW_GROUP = re.compile("^(New group|新建用户组)")
CREATE_GROUP = re.compile("^(Create group|创建用户组)")
ADD = re.compile("^(Add|添加)$")
MAKE_MANAGER = re.compile("^(Make manager|设为组管理者)")
CLOSE = re.compile("^(Close|关闭)$")
PREVIEW = re.compile("^(Preview|预览)")
CREATE = re.compile("^(Create|创建)")

# What administrators and managers read.
DRAINING = re.compile("Draining|排空|停止服务")
FREE = re.compile("Free|空闲")
MANAGER = re.compile("Manager|组管理者")
CREATED_2 = re.compile("2 accounts were created|2 个账户")
DEACTIVATED_BY = re.compile("by admin|admin")
ADMINISTRATOR = re.compile("Administrator|管理员")
STOPPED_BY_ADMIN = re.compile("Stopped by|admin")
STOPPED_A_SERVER = re.compile("Stopped a server|停止服务器")
LOST_ACCESS = re.compile(
    "deactivated your account|no longer signed in|已停用您的账户|您的登录已失效"
)
NO_SESSION_EXCEEDS = re.compile("No running session|没有")
BEYOND_GROUP = re.compile("vision")


def limit_of(user: str) -> re.Pattern[str]:
    """Match the table's button for the limit "GPUs at once" of a user."""
    return re.compile(f"^(GPUs at once of {user}:|{user} .*GPU)")


def editor_of(user: str) -> re.Pattern[str]:
    """Match the field for the limit "GPUs at once" of a user."""
    return re.compile(f"^(GPUs at once of {user}$|{user} .*GPU)")


def of_account(name: str) -> re.Pattern[str]:
    """Match the label of a button or link for one account."""
    return re.compile(f"[:：] ?{name}$")

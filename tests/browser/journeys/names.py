"""The names by which journeys find what they use, in each language of the pages.

What has an id, or a role that only one element of its part of the page has, is found by that; all
other names are here, and nowhere else.
"""

from __future__ import annotations

import re

MY_GPUS = re.compile("^(My GPUs|我的 GPU)")

# Buttons of a session. Those of a server have its name in their labels.
EXTEND = re.compile("^(Extend|延长)")
STOP_SERVER = re.compile("^(Stop|Release|停止)")
LEAVE_QUEUE = re.compile("^(Cancel|Leave|取消|离开|退出)")

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

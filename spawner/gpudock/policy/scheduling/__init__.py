"""Scheduling: which waiting requests start now, on which GPUs, and what all others wait for.

:func:`~.decide.decide` is a pure function of a :class:`~.snapshot.Snapshot`. It is list scheduling
with conservative backfill: every request that waits has a reservation, and no later request delays
it.

1. **Order** (``ordering``, ``fair_share``). Sort the queue: first come, first served, or by fair
   share. Everything below happens once per request, in this order.
2. **Set aside** (``decide``). A request that waits for something without a foreseeable end, such as
   its server's previous container or GPU-hours, waits without a reservation.
3. **Candidates** (``candidates``). A request for *n* units can be served by any *node pool* (units
   of one kind on one node) of at least *n* units, or by a mix of the pools of one node.
4. **Start** (``demand``). If enough units of a candidate are free and not reserved, the request
   starts there. If not, it starts where its latest end is not after the begin of any reservation of
   the units it takes: the *backfill window*. Of several candidates the one with the least
   :class:`~.candidates.Rating` is best.
   Limits of users and caps of groups (``allowances``) are planned like pools of units: a request
   that one of them holds back reserves from the time at which it clears, on units that become
   available shortly before.
5. **Placement** (``placement``). On a candidate, parts of the fullest GPU come first; of whole GPUs
   the set with the best connections.
6. **Reserve** (``demand``). A request that cannot start reserves the units that become available
   first, from the latest end of the sessions and reservations on them until its own latest end. The
   begin is its expected start. A request that does not wait for others gives up instead, unless
   checks under way are all that it waits for: then it reserves the units under check.
7. **Explain** (``reasons``). Each request that waits gets one sentence for its user.

``capacity`` holds the state: units are only ever taken or reserved, so a unit becomes available
later and later, and its backfill window only closes. Three bounds follow, which make it fast:

* Requests for as many units of the same models share one *demand class*. It keeps its candidates in
  a heap by the start that was last seen. Starts only move back, so the first entry that is still
  true is the earliest of all.
* A class keeps the widest window that was last seen. A longer session need not search. So there are
  at most as many searches as grants, plus one for each class and session length.
* All else is a constant number of steps per request, or a binary search in a node pool.

With *r* requests, *g* GPUs and *s* searches a decision takes ``O(r log r + r log g + s g)`` steps.
``tests/doubles/reference_scheduler.py`` is the specification: the same rules without any of these
bounds. Property tests compare the two.
"""

"""The decision journal: JSON lines, one per decision, written before the answer leaves.

**What is kept.** A record goes to the operating system in one write, so a killed process loses no decision
that was answered. It reaches the disk within ``RECOUP_JOURNAL_SYNC_SECONDS`` (default 1; 0 is before the
answer, by one fsync for all who wait). Where it cannot be written nothing is answered.

**Where.** In files of the home, or with ``RECOUP_JOURNAL=postgres`` in rows of the server profile's database, line
by line the same. There a record is committed before its answer leaves, by one statement for all who wait, so that
neither a killed process nor one that is cut off loses it; what a crash of the *server* may lose is bounded by the
same interval (``synchronous_commit``).

**Files.** Each process writes files of its own, ``DAY-WRITER-PART``, a new one with each UTC day and
beyond ``RECOUP_JOURNAL_MAX_BYTES`` (default 256 MiB). A decision id is the file and the byte where its line
starts. The manifest lists every file: begun, ended by which digest, expired.

**What is found.** Every line carries a digest over itself and the digest of the line before; a file goes on
from the last digest of the writer's file before it; the manifest is such a chain as well. So
`recoup journal verify` finds a record that was changed, removed, inserted or moved, a file that was removed
or added, and the end of an ended file cut off. A file that a crash left open is ended, as it was found,
when the next process begins one.

A decision about many things, such as a plan, is one line; its rows are tables kept beside the files, whose digests
the line holds, so that a row that was changed is found as well.

**What is not.** The end of a file that is still open can be cut off unseen, at a whole line; cut inside a
line it looks like a crash. Who may write here can compute every digest anew: with ``RECOUP_JOURNAL_KEY``
they are keyed (BLAKE2b, RFC 7693), and nobody can without the key. Who removes the last lines of the
manifest together with the files that they name is found only by the head that `recoup journal verify`
prints: keep it elsewhere, and give it to the next run with ``--head``.
"""

from serving.journal.decisions import Journal

__all__ = ["Journal"]

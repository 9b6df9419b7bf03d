// Package bolt keeps an outbox in one bbolt file.
//
// # Layout
//
//	meta                        schema, the last sequence number that was given out, the newest day that was dropped, and
//	                            whether it is, or was, a backup
//	open                        seq → item (group, id, body): the open groups, in the order in which they came
//	queues/<queue>/due          time seq → ref of the entry
//	queues/<queue>/buried       the same, by the time it was buried
//	queues/<queue>/depth        how many tasks the two have
//	days/<YYYY-MM-DD>/entries   seq → entry (version, group, id, body)
//	days/<YYYY-MM-DD>/rows      seq name → row (version, body)
//	days/<YYYY-MM-DD>/groups    length group seq → id: finds the entries of a group
//	days/<YYYY-MM-DD>/labels    block length label rest → nothing; block and rest are the entry's seq
//	days/<YYYY-MM-DD>/counts    name → counter
//	expired/<YYYY-MM-DD>        as below days: a day that was dropped, until what it held is deleted
//
// Sequence numbers are 8 bytes, big-endian, and come from one counter: none is ever given out twice, so a key names the
// same thing for ever, and a repeat can be told from a new task by its key. Times are microseconds. All large buckets are
// written at their end; a day is dropped by moving its bucket, and emptied afterwards, a few keys in a commit.
//
// Every value begins with a version byte and a CRC-32C of that byte, the key and the rest. So a flipped bit in a value or
// its key is noticed when it is read, and one value can't be taken for another's.
//
// # Commits
//
// Whoever comes while nobody commits does it himself. What comes meanwhile waits in a line; a goroutine that is there for
// that applies all of it in one transaction, and lets all who wait go at once. There is no window to wait for more: either
// only lets those come first who can run now. What a request needs of the processor only (validation, compression) has been
// done before it is handed over. A request is checked whole before anything of it is written, so one that conflicts leaves no
// trace and harms none of its neighbours.
//
// What is in memory (which items are open, which tasks are claimed, how many tasks there are) changes after the commit,
// never before. It is rebuilt from the file by [Open].
//
// # Starts
//
// A start after a clean stop takes as long however large the file is: how many tasks there are, and which pages are free, is
// written down. After a crash the free pages are found by going through the file once.
//
// # Damage
//
// [Check] reads a file without trusting it, and [Salvage] makes a new store of what is readable of a damaged one. A value that
// may be out of date is never acted upon: see salvage. The value of meta/schema keeps its form in all later schemas, so that
// a newer file is told from a damaged one.
//
// # When the disk fails
//
// A commit that failed for want of space, and verifiably left the file as it was, is tried again if room can be made (a
// [Ballast] is given up); else it is ErrFull, and the store goes on. So it does with ErrReadOnly where the disk became read-only.
// After any other failure nobody knows what is on disk: the store refuses everything from then on, and [Store.Broken] is closed.
// The process should end and open the file anew; callers then repeat what they had no answer to. An opened file is read from
// the disk and not from the kernel's cache, which still has what a failed sync did not write.
package bolt

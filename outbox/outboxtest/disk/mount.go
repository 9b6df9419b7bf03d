package disk

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount makes the disk available to other processes under dir, until the returned function is called; nobody may have a file
// of it open then. It takes root, or fusermount.
func (d *Disk) Mount(dir string) (unmount func() error, err error) {
	long := time.Hour // nobody else changes anything
	server, err := fs.Mount(dir, &entry{disk: d, folder: true}, &fs.Options{
		AttrTimeout: &long, EntryTimeout: &long,
		MountOptions: fuse.MountOptions{DirectMount: true, Name: "disk", FsName: "disk", MaxWrite: 1 << 20},
	})
	if err != nil {
		return nil, err
	}
	return func() error {
		err := server.Unmount()
		if err == nil {
			server.Wait()
		}
		return err
	}, nil
}

// entry is a node as the kernel sees it.
type entry struct {
	fs.Inode
	disk   *Disk
	id     int
	folder bool
}

var (
	_ fs.NodeOnAdder   = (*entry)(nil)
	_ fs.NodeGetattrer = (*entry)(nil)
	_ fs.NodeSetattrer = (*entry)(nil)
	_ fs.NodeOpener    = (*entry)(nil)
	_ fs.NodeReader    = (*entry)(nil)
	_ fs.NodeWriter    = (*entry)(nil)
	_ fs.NodeFsyncer   = (*entry)(nil)
	_ fs.NodeFlusher   = (*entry)(nil)
	_ fs.NodeCreater   = (*entry)(nil)
	_ fs.NodeMkdirer   = (*entry)(nil)
	_ fs.NodeUnlinker  = (*entry)(nil)
	_ fs.NodeRmdirer   = (*entry)(nil)
	_ fs.NodeRenamer   = (*entry)(nil)
	_ fs.NodeStatfser  = (*entry)(nil)
)

// OnAdd hangs up what the folder has.
func (e *entry) OnAdd(ctx context.Context) {
	type child struct {
		name   string
		id     int
		folder bool
	}
	var children []child
	e.disk.mu.Lock()
	for name, id := range e.disk.live[e.id].names {
		children = append(children, child{name, id, e.disk.live[id].names != nil})
	}
	e.disk.mu.Unlock()
	for _, c := range children {
		e.AddChild(c.name, e.child(ctx, c.id, c.folder), false)
	}
}

func (e *entry) child(ctx context.Context, id int, folder bool) *fs.Inode {
	mode := uint32(syscall.S_IFREG)
	if folder {
		mode = syscall.S_IFDIR
	}
	// They are persistent: what the kernel has forgotten is found again.
	return e.NewPersistentInode(ctx, &entry{disk: e.disk, id: id, folder: folder}, fs.StableAttr{Mode: mode, Ino: uint64(id) + 1}) //nolint:gosec // not negative
}

func (e *entry) attr(a *fuse.Attr) {
	a.Mode = 0o700
	if !e.folder {
		a.Mode = 0o600
		a.Size = uint64(e.disk.size(e.id)) //nolint:gosec // not negative
		a.Blocks = (a.Size + sector - 1) / sector
	}
	a.Nlink, a.Blksize = 1, 4096
	a.Uid, a.Gid = uint32(syscall.Getuid()), uint32(syscall.Getgid()) //nolint:gosec // not negative
}

// Getattr implements fs.NodeGetattrer.
func (e *entry) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e.attr(&out.Attr)
	return 0
}

// Setattr truncates. What else it may be asked for changes nothing.
func (e *entry) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) (err syscall.Errno) {
	if size, ok := in.GetSize(); ok {
		_, err = e.disk.do(Op{Kind: Truncate, Node: e.id, Size: int64(size)}) //nolint:gosec // as the kernel has it
	}
	e.attr(&out.Attr)
	return err
}

// Open keeps what the kernel has in its cache, as other file systems do.
func (e *entry) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (e *entry) Read(_ context.Context, _ fs.FileHandle, to []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(to[:e.disk.read(e.id, to, offset)]), 0
}

// Write implements fs.NodeWriter.
func (e *entry) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	if _, err := e.disk.do(Op{Kind: Write, Node: e.id, Data: slices.Clone(data), Offset: offset}); err != 0 {
		return 0, err
	}
	return uint32(len(data)), 0 //nolint:gosec // at most MaxWrite
}

// Fsync syncs a file or a folder.
func (e *entry) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	_, err := e.disk.do(Op{Kind: Sync, Node: e.id})
	return err
}

// Flush is what a close does: nothing.
func (e *entry) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// Create implements fs.NodeCreater.
func (e *entry) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child, err := e.add(ctx, Create, name, out)
	return child, nil, fuse.FOPEN_KEEP_CACHE, err
}

// Mkdir implements fs.NodeMkdirer.
func (e *entry) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return e.add(ctx, Mkdir, name, out)
}

func (e *entry) add(ctx context.Context, kind Kind, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	id, err := e.disk.do(Op{Kind: kind, Node: e.id, Name: name})
	if err != 0 {
		return nil, err
	}
	child := &entry{disk: e.disk, id: id, folder: kind == Mkdir}
	child.attr(&out.Attr)
	return e.child(ctx, id, kind == Mkdir), 0
}

// Unlink implements fs.NodeUnlinker.
func (e *entry) Unlink(_ context.Context, name string) syscall.Errno {
	_, err := e.disk.do(Op{Kind: Remove, Node: e.id, Name: name})
	return err
}

// Rmdir implements fs.NodeRmdirer.
func (e *entry) Rmdir(ctx context.Context, name string) syscall.Errno {
	if len(e.GetChild(name).Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return e.Unlink(ctx, name)
}

// Rename renames within a folder. Between folders it is refused.
func (e *entry) Rename(_ context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if parent.EmbeddedInode() != e.EmbeddedInode() {
		return syscall.EXDEV
	}
	if flags != 0 {
		return syscall.EINVAL
	}
	_, err := e.disk.do(Op{Kind: Rename, Node: e.id, Name: name, To: to})
	return err
}

// Statfs tells of a small disk with room.
func (e *entry) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<14, 1<<13, 1<<13
	return 0
}

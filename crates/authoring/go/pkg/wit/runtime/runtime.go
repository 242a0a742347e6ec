// Package runtime is what the glue that wit-bindgen 0.63 generates for Go stands on: memory that crosses the
// component's wall. Functions without a body need the empty.s beside this file.
package runtime

import (
	"runtime"
	"unsafe"
)

// What the host has passed in lives until the call has taken it over.
var passed runtime.Pinner

// Go's own heap is there only once packages are initialized; the host may pass something in before.
var isReady bool

func init() {
	isReady = true
}

// Allocate gives memory that is not moved or freed before the pinner lets it go. Eight bytes are the largest
// alignment that the canonical ABI knows.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

// Unpin says that the call has taken over what was passed in.
func Unpin() {
	passed.Unpin()
}

//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

// Called by the host for memory to pass something in. It never grows what it gave.
//
//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("the host wants to grow what it has passed in")
	}
	if isReady {
		return Allocate(&passed, size, align)
	}
	memory := sbrk(size + align - 1)
	misplaced := (align - uintptr(memory)%align) % align
	return unsafe.Add(memory, misplaced)
}

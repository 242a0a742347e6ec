// Package wit_types holds the contract's types that Go has not got, as the glue that wit-bindgen 0.63 generates
// expects them.
package wit_types

// The tags of an option.
const (
	OptionNone = 0
	OptionSome = 1
)

// Option is a value or nothing.
type Option[T any] struct {
	value T
	tag   uint8
}

// None is nothing.
func None[T any]() Option[T] {
	return Option[T]{}
}

// Some is a value.
func Some[T any](value T) Option[T] {
	return Option[T]{value, OptionSome}
}

// Tag is OptionNone or OptionSome.
func (o Option[T]) Tag() uint8 { return o.tag }

// IsNone is true if there is nothing.
func (o Option[T]) IsNone() bool { return o.tag == OptionNone }

// IsSome is true if there is a value.
func (o Option[T]) IsSome() bool { return o.tag == OptionSome }

// Some is the value; it panics if there is none.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("the option is none")
	}
	return o.value
}

// SomeOr is the value, or another one if there is none.
func (o Option[T]) SomeOr(other T) T {
	if o.tag != OptionSome {
		return other
	}
	return o.value
}

// The tags of a result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is a value or an error.
type Result[T any, E any] struct {
	value T
	err   E
	tag   uint8
}

// Ok is a value.
func Ok[T any, E any](value T) Result[T, E] {
	return Result[T, E]{value: value, tag: ResultOk}
}

// Err is an error.
func Err[T any, E any](err E) Result[T, E] {
	return Result[T, E]{err: err, tag: ResultErr}
}

// Tag is ResultOk or ResultErr.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// IsOk is true for a value.
func (r Result[T, E]) IsOk() bool { return r.tag == ResultOk }

// IsErr is true for an error.
func (r Result[T, E]) IsErr() bool { return r.tag == ResultErr }

// Ok is the value; it panics if there is an error instead.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("the result is an error")
	}
	return r.value
}

// Err is the error; it panics if there is a value instead.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("the result is a value")
	}
	return r.err
}

// Unit is the value of what has none.
type Unit struct{}

// Tuple2 is two values.
type Tuple2[T0 any, T1 any] struct {
	F0 T0
	F1 T1
}

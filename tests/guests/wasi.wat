;; A component that wants WASI: the host must refuse it at push, by the name of what it wants.
(component
  (import "wasi:cli/environment@0.2.3" (instance
    (export "get-arguments" (func (result (list string))))))
)

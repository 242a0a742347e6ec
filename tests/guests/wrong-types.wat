;; A component that offers the contract's interface with other types: it describes itself by a number. The host
;; must refuse it at push and say what it expected.
(component
  (core module $module
    (func (export "describe") (result i32) i32.const 7))
  (core instance $instance (instantiate $module))
  (func $describe (result u32) (canon lift (core func $instance "describe")))
  (instance $guest (export "describe" (func $describe)))
  (export "zareba:plugin/guest@1.0.0" (instance $guest))
)

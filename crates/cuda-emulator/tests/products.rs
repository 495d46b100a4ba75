//! The products of the emulated cuBLAS, compared with loops.

#![allow(unsafe_code, reason = "calls C functions of libraries that are loaded at run time")]

mod common;

use std::ffi::c_int;
use std::ptr::null_mut;

use common::{Element, Handle, Operand, Product, begin, call, cublas, download, free, gemm, upload};

fn expected<T: Element>(product: &Product, a: &[T], b: &[T], c: &mut [T]) {
    let [m, n, k] = product.sizes;
    let at = |(transposed, ld, stride): Operand, batch, row, column| {
        batch * stride + if transposed { row * ld + column } else { row + column * ld }
    };
    for batch in 0..product.batches {
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k)
                    .map(|p| a[at(product.a, batch, i, p)].into() * b[at(product.b, batch, p, j)].into());
                let to = &mut c[batch * product.c.1 + i + j * product.c.0];
                let old = if product.factors[1] == 0.0 { 0.0 } else { product.factors[1] * (*to).into() };
                *to = T::from_f64(product.factors[0] * terms.sum::<f64>() + old);
            }
        }
    }
}

fn numbers<T: Element>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64((((i + 31 * seed) * 7919) % 997) as f64 / 500.0 - 1.0)).collect()
}

fn check<T: Element>(handle: Handle, product: &Product) {
    let [m, n, k] = product.sizes;
    let length = |(transposed, ld, stride): Operand, rows: usize, columns: usize| {
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        (product.batches - 1) * stride + (columns - 1) * ld + rows
    };
    let a: Vec<T> = numbers(length(product.a, m, k), 1);
    let b: Vec<T> = numbers(length(product.b, k, n), 2);
    let mut c: Vec<T> = numbers(length((false, product.c.0, product.c.1), m, n), 3);
    if product.factors[1] == 0.0 {
        for batch in 0..product.batches {
            for j in 0..n {
                c[batch * product.c.1 + j * product.c.0..][..m].fill(T::from_f64(f64::NAN));
            }
        }
    }
    let addresses = [upload(&a), upload(&b), upload(&c)];
    assert_eq!(gemm::<T>(handle, product, addresses), 0);
    let result: Vec<T> = download(addresses[2], c.len());
    expected(product, &a, &b, &mut c);
    let tolerance = if T::TYPE == 0 { 1e-6 } else { 1e-13 } * (1.0 + k as f64);
    for (x, y) in result.iter().zip(&c) {
        let (x, y): (f64, f64) = ((*x).into(), (*y).into());
        assert!((x - y).abs() <= tolerance, "{x} {y}, {:?}", product.sizes);
    }
    assert_eq!(addresses.map(free), [0; 3]);
}

#[test]
fn products_are_those_of_loops() {
    let _turn = begin();
    let handle = cublas(null_mut());
    for sizes @ [m, n, k] in [[1, 1, 1], [5, 3, 4], [64, 64, 256], [67, 130, 301], [129, 2, 9]] {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let (lda, ldb) = (if ta { k } else { m } + 2, if tb { n } else { k } + 1);
            let (last_a, last_b) = (if ta { m } else { k }, if tb { k } else { n });
            for (batches, stride_a, stride_b, factors) in [
                (1, 0, 0, [1.0, 0.0]),
                (3, lda * last_a, ldb * last_b, [0.5, 1.0]),
                (3, 0, ldb * last_b + 5, [-1.0, 0.0]),
                (2, lda * last_a, 0, [2.0, -0.25]),
                (2, 0, 0, [0.0, 2.0]),
            ] {
                let c = (m + 3, (m + 3) * n + 1);
                let (a, b) = ((ta, lda, stride_a), (tb, ldb, stride_b));
                let product = Product { sizes, batches, a, b, c, factors };
                check::<f32>(handle, &product);
                check::<f64>(handle, &product);
            }
            // The columns of the matrices of a batch are interleaved.
            let (a, b) = ((ta, 2 * lda, lda), (tb, 2 * ldb, ldb));
            let product = Product { sizes, batches: 2, a, b, c: (2 * m, m), factors: [1.0, 1.0] };
            check::<f64>(handle, &product);
        }
    }
    assert_eq!(call!(cublas.cublasDestroy_v2(handle => Handle)), 0);
}

#[test]
fn arguments_of_products_are_checked() {
    let _turn = begin();
    let handle = cublas(null_mut());
    let fine = Product {
        sizes: [4, 3, 2],
        batches: 1,
        a: (false, 4, 0),
        b: (false, 2, 0),
        c: (4, 0),
        factors: [1.0, 0.0],
    };
    let none = [0; 3];
    let code = |change: &dyn Fn(&mut Product)| {
        let mut product = fine;
        change(&mut product);
        gemm::<f32>(handle, &product, none)
    };
    assert_eq!(code(&|product| product.a.1 = 3), 7);
    assert_eq!(code(&|product| product.a = (true, 1, 0)), 7);
    assert_eq!(code(&|product| product.b.1 = 1), 7);
    assert_eq!(code(&|product| product.b = (true, 2, 0)), 7);
    assert_eq!(code(&|product| product.c.0 = 3), 7);
    assert_eq!(code(&|product| (product.sizes, product.a.1) = ([0, 3, 2], 0)), 7);
    assert_eq!(code(&|product| product.sizes = [0, 3, 2]), 0);
    assert_eq!(code(&|product| product.sizes = [4, 0, 2]), 0);
    assert_eq!(code(&|product| product.batches = 0), 0);

    let c = upload(&[f32::NAN; 12]);
    assert_eq!(gemm::<f32>(handle, &Product { sizes: [4, 3, 0], ..fine }, [0, 0, c]), 0);
    assert_eq!(download::<f32>(c, 12), [0.0; 12]);
    assert_eq!(free(c), 0);

    let one = 1_f32;
    let mixed = |negative: c_int, compute: c_int| {
        call!(cublas.cublasGemmEx(handle => Handle, 0 => c_int, 0 => c_int, negative => c_int, 1 => c_int,
            1 => c_int, &raw const one => *const f32, 0 => u64, 0 => c_int, 1 => c_int, 0 => u64, 0 => c_int,
            1 => c_int, &raw const one => *const f32, 0 => u64, 0 => c_int, 1 => c_int, compute => c_int,
            -1 => c_int))
    };
    assert_eq!((mixed(-1, 68), mixed(1, 70), mixed(0, 77)), (7, 15, 0));
    assert_eq!(gemm::<f32>(null_mut(), &fine, none), 1);
    assert_eq!(call!(cublas.cublasDestroy_v2(handle => Handle)), 0);
    assert_eq!(gemm::<f32>(handle, &fine, none), 1);
}

/* A word of the table that each term has: `word` is its index for the first term. */
#define TERM(type, word)                                                                            \
    (term == 0 ? (type)args.w[word] : (type)args.w[TERMS == 1 ? word : word + 4])

/* T numbers[COUNT] = the numbers of a row of WIDTH numbers from column `first` - SKIPPED on, read
   VECTOR at a time, and zeros outside of the row. The number of columns from the start of the row
   to `first` and WIDTH are multiples of VECTOR, so that all numbers of a vector are in the row or
   none. */
#define READ_ROW(numbers, COUNT, row, first, SKIPPED, WIDTH)                                       \
    T numbers[COUNT];                                                                              \
    UNROLL                                                                                         \
    for (int j = 0; j < COUNT; j++) numbers[j] = (T)0;                                             \
    UNROLL                                                                                         \
    for (int j = 0; j < COUNT + SKIPPED; j += VECTOR) {                                            \
        if ((u32)(first + j) >= (u32)WIDTH) continue;                                              \
        struct vector read = *(const struct vector *)(row + first + j);                            \
        UNROLL                                                                                     \
        for (int e = 0; e < VECTOR; e++) {                                                         \
            if (j + e >= SKIPPED && j + e < COUNT + SKIPPED) numbers[j + e - SKIPPED] = read.of[e]; \
        }                                                                                          \
    }

package details

// MaxRow is the bound of a row.
const MaxRow = maxRow

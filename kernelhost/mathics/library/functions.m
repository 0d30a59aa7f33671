(* Functions of the language that Mathics3 lacks, wholly or in part, in terms of those it has.

   This file may hold definitions (:=) and SetAttributes only. Every symbol without a context is in
   System`. What is not defined stays unevaluated. Conditions stand on the left. *)

(* -- numbers -- *)

SetAttributes[Unitize, Listable]
DigitSum[x_Integer] := Total[IntegerDigits[x]]
DigitSum[x_Integer, b_Integer] := Total[IntegerDigits[x, b]]
Unitize[x_?NumericQ] := If[x == 0, 0, 1]
KroneckerDelta[] := 1
KroneckerDelta[x_?NumericQ] := Boole[x == 0]
KroneckerDelta[x_?NumericQ, y__?NumericQ] := Boole[Equal[x, y]]
Clip[x_] := Clip[x, {-1, 1}]
Clip[x_List, more__] := Clip[#, more] & /@ x
Clip[x_?NumericQ, {low_?NumericQ, high_?NumericQ}] := Clip[x, {low, high}, {low, high}]
Clip[x_?NumericQ, {low_?NumericQ, high_?NumericQ}, {below_, above_}] := Which[x < low, below, x > high, above, True, x]
Rescale[x_List] := Rescale[x, {Min[x], Max[x]}]
Rescale[x_, {low_, high_}] := (x - low)/(high - low)
Subdivide[n_Integer?Positive] := Subdivide[0, 1, n]
Subdivide[high_, n_Integer?Positive] := Subdivide[0, high, n]
Subdivide[low_, high_, n_Integer?Positive] := low + (high - low) Range[0, n]/n

(* -- numbers -- *)

Mod[m_?NumericQ, n_?NumericQ, d_?NumericQ] := d + Mod[m - d, n]
PalindromeQ[x_String] := x === StringReverse[x]
PalindromeQ[x_List] := x === Reverse[x]
PalindromeQ[x_Integer] := With[{digits = IntegerDigits[x]}, digits === Reverse[digits]]

(* -- lists -- *)

Differences[{}] := {}
Differences[x_List] := Rest[x] - Most[x]
Differences[x_List, n_Integer?NonNegative] := Nest[Differences, x, n]
Ratios[{}] := {}
Ratios[x_List] := Rest[x]/Most[x]
MinMax[x_List] := {Min[x], Max[x]}
MovingAverage[x_List, n_Integer?Positive] /; n <= Length[x] := Mean /@ Partition[x, n, 1]
Ordering[x_List, All] := Ordering[x]
Ordering[x_List, n_Integer] := Take[Ordering[x], Sign[n] Min[Abs[n], Length[x]]]
OrderingBy[x_List, f_] := Ordering[f /@ x]
ReverseSortBy[x_List, f_] := Reverse[SortBy[x, f]]
ReverseSortBy[f_][x_] := ReverseSortBy[x, f]
DuplicateFreeQ[x_List] := Length[DeleteDuplicates[x]] === Length[x]
DeleteDuplicatesBy[x_List, f_] := First /@ GatherBy[x, f]
DeleteDuplicatesBy[f_][x_] := DeleteDuplicatesBy[x, f]
CountDistinct[x_List] := Length[DeleteDuplicates[x]]
Commonest[x_List] := kernelbus`commonest[Tally[x]]
kernelbus`commonest[{}] := {}
kernelbus`commonest[x_] := With[{most = Max[Last /@ x]}, First /@ Select[x, Function[pair, Last[pair] === most]]]
ContainsAll[x_List, y_List] := Complement[y, x] === {}
ContainsAny[x_List, y_List] := Intersection[x, y] =!= {}
ContainsNone[x_List, y_List] := Intersection[x, y] === {}
MinimalBy[{}, f_] := {}
MinimalBy[x_List, f_] := kernelbus`pick[x, f /@ x, First]
MaximalBy[{}, f_] := {}
MaximalBy[x_List, f_] := kernelbus`pick[x, f /@ x, Last]
MinimalBy[f_][x_] := MinimalBy[x, f]
MinimalBy[x_List, f_, n_Integer] := Take[SortBy[x, f], UpTo[n]]
MaximalBy[f_][x_] := MaximalBy[x, f]
MaximalBy[x_List, f_, n_Integer] := Take[Reverse[SortBy[Reverse[x], f]], UpTo[n]]
kernelbus`pick[x_, keys_, end_] := x[[Flatten[Position[keys, Verbatim[Evaluate[end[Sort[keys]]]], {1}, Heads -> False]]]]
TakeDrop[x_, seq__] := {Take[x, seq], Drop[x, seq]}
ArrayReshape[x_List, n : {__Integer?Positive}] := Fold[Partition[#1, #2] &, PadRight[Flatten[x], Times @@ n], Reverse[Rest[n]]]
Append[x_][list_] := Append[list, x]
Prepend[x_][list_] := Prepend[list, x]
Extract[place_][x_] := Extract[x, place]
Insert[new_, place_][list_] := Insert[list, new, place]
DeleteCases[form_][x_] := DeleteCases[x, form]
IdentityMatrix[n_Integer, SparseArray] := SparseArray[Band[{1, 1}] -> 1, {n, n}]
Construct[f_, x___] := f[x]
Comap[f_List, x_] := Function[each, each[x]] /@ f
OperatorApplied[f_][y_][x_] := f[x, y]
Select[f_][x_] := Select[x, f]
SelectFirst[x_List, f_] := SelectFirst[x, f, Missing["NotFound"]]
SelectFirst[x_List, f_, default_] := Replace[Select[x, f, 1], {{} :> default, {found_} :> found}]
SelectFirst[f_][x_] := SelectFirst[x, f]
FirstCase[x_, form_] := FirstCase[x, form, Missing["NotFound"], {1}]
FirstCase[x_, form_, default_] := FirstCase[x, form, default, {1}]
FirstCase[x_, form_, default_, level_] := Replace[Cases[x, form, level], {{} :> default, {found_, ___} :> found}]

(* -- missing values -- *)

Nothing[___] := Nothing
MissingQ[x_] := Head[x] === Missing
FailureQ[x_] := Head[x] === Failure || x === $Failed || x === $Aborted
DeleteMissing[x_List] := DeleteCases[x, _Missing]

(* -- strings -- *)

StringCount[x_String, form_] := Length[StringCases[x, form]]
StringCount[x_List, form_] := Function[each, StringCount[each, form]] /@ x
StringStartsQ[x_String, start_String] := StringLength[start] <= StringLength[x] && StringTake[x, StringLength[start]] === start
StringStartsQ[x_String, form_] := StringMatchQ[x, form ~~ ___]
StringStartsQ[x_List, form_] := Function[each, StringStartsQ[each, form]] /@ x
StringStartsQ[form_][x_] := StringStartsQ[x, form]
StringEndsQ[x_String, end_String] := StringLength[end] <= StringLength[x] && StringTake[x, -StringLength[end]] === end
StringEndsQ[x_String, form_] := StringMatchQ[x, ___ ~~ form]
StringEndsQ[x_List, form_] := Function[each, StringEndsQ[each, form]] /@ x
StringEndsQ[form_][x_] := StringEndsQ[x, form]
StringDelete[x_, forms_List] := StringReplace[x, Function[form, form -> ""] /@ forms]
StringDelete[x_, form_] := StringReplace[x, form -> ""]
StringDelete[form_][x_] := StringDelete[x, form]
StringPartition[x_String, n_Integer?Positive] := StringJoin /@ Partition[Characters[x], n]
StringPartition[x_String, n_Integer?Positive, step_Integer?Positive] := StringJoin /@ Partition[Characters[x], n, step]
Capitalize[""] := ""
Capitalize[x_String] := ToUpperCase[StringTake[x, 1]] <> StringDrop[x, 1]
Decapitalize[""] := ""
Decapitalize[x_String] := ToLowerCase[StringTake[x, 1]] <> StringDrop[x, 1]

(* -- output and names -- *)

Echo[x_] := (Print[">> ", x]; x)
Echo[x_, label_] := (Print[">> ", label, " ", x]; x)
Echo[x_, label_, f_] := (Print[">> ", label, " ", f[x]]; x)
EchoFunction[f_][x_] := (Print[">> ", f[x]]; x)
EchoLabel[label_][x_] := Echo[x, label]
NameQ[x_String] := Names[x] =!= {}

(* The options of standard output; forms/outputform.py reads the width. *)
kernelbus`outputQ["stdout" | OutputStream["stdout", _] | {OutputStream["stdout", _]}] := True
kernelbus`outputQ[_] := False
kernelbus`pagewidth := 78
Options[stream_?kernelbus`outputQ] := {FormatType -> OutputForm, PageWidth -> kernelbus`pagewidth}
Options[stream_?kernelbus`outputQ, name_Symbol] := Select[Options[stream], First[#] === name &]
SetOptions[stream_?kernelbus`outputQ, rules___?OptionQ] :=
  (kernelbus`pagewidth = PageWidth /. Flatten[{rules}] /. Options[stream]; Options[stream])

(* -- the session -- *)

SetAttributes[{ApplyTo, Once}, {HoldFirst}]
ApplyTo[x_, f_] := x = f[x]
ParallelNeeds[context_String] := (Needs[context]; ParallelEvaluate[Needs[context]];)
Once[x_] := kernelbus`once[Hold[x]]
kernelbus`once[held : Hold[x_]] := kernelbus`once[held] = x

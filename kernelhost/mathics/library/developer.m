(* What programs take for granted, in terms of the rest: functions of the contexts Developer` and
   Internal`, and UpTo. As functions.m, this file holds definitions and SetAttributes only. *)

(* -- Developer`: this kernel packs no arrays, so every list is as good as packed -- *)

Developer`ToPackedArray[x_, ___] := x
Developer`FromPackedArray[x_, ___] := x
Developer`PackedArrayForm[x_] := x
Developer`PackedArrayQ[x_] := ListQ[x] && x =!= {} && ArrayQ[x, _, Developer`MachineIntegerQ] || ArrayQ[x, _, kernelbus`machineQ]
Developer`PackedArrayQ[x_, Integer] := ListQ[x] && ArrayQ[x, _, Developer`MachineIntegerQ]
Developer`PackedArrayQ[x_, Real] := ListQ[x] && ArrayQ[x, _, kernelbus`machineQ]
Developer`PackedArrayQ[x_, Complex] := ListQ[x] && ArrayQ[x, _, MatchQ[#, _Complex] &]
Developer`PackedArrayQ[x_, type_, rank_] := Developer`PackedArrayQ[x, type] && MatchQ[ArrayDepth[x], rank]
Developer`MachineIntegerQ[x_] := IntegerQ[x] && -2^63 <= x < 2^63
Developer`MachineRealQ[x_] := kernelbus`machineQ[x]
Developer`MachineComplexQ[x_] := Head[x] === Complex && kernelbus`machineQ[Re[x]] && kernelbus`machineQ[Im[x]]
Developer`RealQ[x_] := NumericQ[x] && Im[x] === 0
Developer`SymbolQ[x_] := Head[x] === Symbol
Developer`BitLength[x_Integer] := If[x < 0, BitLength[-x - 1], BitLength[x]]
Developer`PartitionMap[f_, x_List, n_Integer] := f /@ Partition[x, n]
Developer`PartitionMap[f_, x_List, n_Integer, d_Integer] := f /@ Partition[x, n, d]
Developer`EncodeBase64[x_] := ExportString[x, "Base64"]
Developer`DecodeBase64[x_String] := ImportString[x, "Base64"]
Developer`ReadRawJSONString[x_String, ___] := ImportString[x, "RawJSON"]
Developer`ReadRawJSONFile[x_, ___] := Import[x, "RawJSON"]
Developer`WriteRawJSONString[x_, options___Rule] := ExportString[x, "RawJSON", options]
Developer`WriteRawJSONFile[file_, x_, options___Rule] := Export[file, x, "RawJSON", options]
SetSystemOptions[___] := Null
SystemOptions[___] := {}
Developer`SetSystemOptions[___] := Null
Developer`SystemOptions[___] := {}
kernelbus`machineQ[x_] := Head[x] === Real && Precision[x] === MachinePrecision

(* -- Internal` -- *)

Internal`MachineIntegerQ[x_] := Developer`MachineIntegerQ[x]
Internal`NonNegativeIntegerQ[x_] := IntegerQ[x] && x >= 0
Internal`PositiveIntegerQ[x_] := IntegerQ[x] && x > 0
Internal`NonPositiveIntegerQ[x_] := IntegerQ[x] && x <= 0
Internal`NegativeIntegerQ[x_] := IntegerQ[x] && x < 0
Internal`NonNegativeMachineIntegerQ[x_] := Developer`MachineIntegerQ[x] && x >= 0
Internal`PositiveMachineIntegerQ[x_] := Developer`MachineIntegerQ[x] && x > 0
Internal`RealValuedNumberQ[x_] := NumberQ[x] && Head[x] =!= Complex
Internal`RealValuedNumericQ[x_] := NumericQ[x] && Im[N[x]] == 0
Internal`SyntacticNegativeQ[x_] := MatchQ[x, _?Negative | _Times?(NumberQ[First[#]] && Negative[First[#]] &)]
Internal`DependsOnQ[x_, y_] := Not[FreeQ[x, y]]
Internal`EffectivePrecision[x_] := Precision[x]
Internal`StringToDouble[x_String] := N[Internal`StringToMReal[x]]
Internal`StringToMReal[x_String] := N[ToExpression[StringReplace[x, {"e" -> "*^", "E" -> "*^", "e+" -> "*^", "E+" -> "*^"}]]]
Internal`PartitionRagged[x_List, n : {___Integer?NonNegative}] := kernelbus`ragged[x, n, Prepend[Accumulate[n], 0]]
kernelbus`ragged[x_, n_, ends_] := MapThread[Take[x, {#1 + 1, #2}] &, {Most[ends], Rest[ends]}]

(* -- UpTo -- *)

Take[x_, before___, UpTo[n_], after___] := Take[x, before, Min[n, kernelbus`length[x, Length[{before}]]], after]
Drop[x_, before___, UpTo[n_], after___] := Drop[x, before, Min[n, kernelbus`length[x, Length[{before}]]], after]
Take[x_, before___, -UpTo[n_], after___] := Take[x, before, -Min[n, kernelbus`length[x, Length[{before}]]], after]
Drop[x_, before___, -UpTo[n_], after___] := Drop[x, before, -Min[n, kernelbus`length[x, Length[{before}]]], after]
kernelbus`length[x_, 0] := Length[x]
kernelbus`length[x_, n_] := If[Length[x] === 0, 0, kernelbus`length[First[x], n - 1]]
StringTake[x_String, UpTo[n_]] := StringTake[x, Min[n, StringLength[x]]]
StringTake[x_List, UpTo[n_]] := Function[each, StringTake[each, UpTo[n]]] /@ x
StringDrop[x_String, UpTo[n_]] := StringDrop[x, Min[n, StringLength[x]]]
StringDrop[x_List, UpTo[n_]] := Function[each, StringDrop[each, UpTo[n]]] /@ x
TakeLargest[x_List, UpTo[n_]] := TakeLargest[x, Min[n, Length[x]]]
TakeSmallest[x_List, UpTo[n_]] := TakeSmallest[x, Min[n, Length[x]]]
TakeLargestBy[x_List, f_, UpTo[n_]] := TakeLargestBy[x, f, Min[n, Length[x]]]
TakeSmallestBy[x_List, f_, UpTo[n_]] := TakeSmallestBy[x, f, Min[n, Length[x]]]
RandomSample[x_List, UpTo[n_]] := RandomSample[x, Min[n, Length[x]]]
Commonest[x_List, UpTo[n_]] := Take[Commonest[x], UpTo[n]]
Partition[x_List, UpTo[n_Integer?Positive]] := Partition[x, UpTo[n], n]
Partition[x_List, UpTo[n_Integer?Positive], d_Integer?Positive] := Table[Take[x, {i, Min[i + n - 1, Length[x]]}], {i, 1, Length[x], d}]
StringPartition[x_String, UpTo[n_Integer?Positive]] := StringJoin /@ Partition[Characters[x], UpTo[n]]

(* -- programs -- *)

Run[x_, more__] := Run[StringJoin[Riffle[If[StringQ[#], #, ToString[#, InputForm]] & /@ {x, more}, " "]]]
RunThrough[command_String, x_] := ToExpression[kernelbus`output[command, ToString[x, InputForm]]]
OpenRead[x_String] /; StringTake[x, Min[1, StringLength[x]]] === "!" := StringToStream[kernelbus`output[StringDrop[x, 1], ""]]
ReadList[x_String, more___] /; StringTake[x, Min[1, StringLength[x]]] === "!" := ReadList[OpenRead[x], more]
Get[x_String] /; StringTake[x, Min[1, StringLength[x]]] === "!" := ToExpression[kernelbus`output[StringDrop[x, 1], ""]]
Import[x_String, more___] /; StringTake[x, Min[1, StringLength[x]]] === "!" := ImportString[kernelbus`output[StringDrop[x, 1], ""], more]

(* -- byte arrays are atoms; these functions know them as lists -- *)

Length[x_ByteArray] := kernelbus`size[x]
Join[x__ByteArray] := ByteArray[Join @@ Normal /@ {x}]
Part[x_ByteArray, n : _Span | _List | All] := ByteArray[Part[Normal[x], n]]
Take[x_ByteArray, n_] := ByteArray[Take[Normal[x], n]]
Drop[x_ByteArray, n_] := ByteArray[Drop[Normal[x], n]]
Rest[x_ByteArray] := ByteArray[Rest[Normal[x]]]
Most[x_ByteArray] := ByteArray[Most[Normal[x]]]
Reverse[x_ByteArray] := ByteArray[Reverse[Normal[x]]]
Total[x_ByteArray] := Total[Normal[x]]

(* -- where a kernel runs: without a front end, over a link -- *)

$FrontEnd := Null
$Notebooks := False
$Linked := True
$LinkSupported := True
$BatchInput := False
$BatchOutput := False
$CloudEvaluation := False
$CloudConnected := False
$EvaluationEnvironment := "Session"
$SynchronousEvaluation := True
$ReleaseNumber := 0
$EvaluationCloudObject := None
$ProcessorCount := kernelbus`processors[]

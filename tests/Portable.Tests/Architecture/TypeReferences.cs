using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Portable.Tests.Architecture;

/// <summary>
/// Which types of an assembly name which others of the same assembly: in bases, interfaces, fields, signatures, locals and the
/// instructions of method bodies. Constants and enumeration values are copied by the compiler and leave no trace.
/// </summary>
internal sealed class TypeReferences
{
    private static readonly Dictionary<short, OperandType> Operands = typeof(OpCodes).GetFields()
        .Select(f => (OpCode)f.GetValue(null)!).ToDictionary(o => o.Value, o => o.OperandType);

    private readonly MetadataReader _metadata;
    private readonly PEReader _image;
    private readonly HashSet<(TypeDefinitionHandle From, TypeDefinitionHandle To)> _pairs = [];

    private TypeReferences(PEReader image) => (_image, _metadata) = (image, image.GetMetadataReader());

    /// <summary>Reads an assembly.</summary>
    /// <returns>Pairs of full names of outermost types, "Namespace.Name".</returns>
    public static IReadOnlySet<(string From, string To)> Of(string assembly)
    {
        using var image = new PEReader(File.OpenRead(assembly));
        var references = new TypeReferences(image);
        foreach (TypeDefinitionHandle type in references._metadata.TypeDefinitions)
        {
            references.Read(type);
        }

        return references._pairs.Select(p => (references.NameOf(p.From), references.NameOf(p.To))).Where(p => p.Item1 != p.Item2).ToHashSet();
    }

    private string NameOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        return type.IsNested ? NameOf(type.GetDeclaringType()) : $"{_metadata.GetString(type.Namespace)}.{_metadata.GetString(type.Name)}";
    }

    private void Read(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        var found = new Found(this, handle);
        found.Add(type.BaseType);
        foreach (InterfaceImplementationHandle implemented in type.GetInterfaceImplementations())
        {
            found.Add(_metadata.GetInterfaceImplementation(implemented).Interface);
        }

        Constraints(type.GetGenericParameters(), found);
        foreach (FieldDefinitionHandle field in type.GetFields())
        {
            _metadata.GetFieldDefinition(field).DecodeSignature(found, null);
        }

        foreach (MethodDefinitionHandle method in type.GetMethods())
        {
            MethodDefinition definition = _metadata.GetMethodDefinition(method);
            definition.DecodeSignature(found, null);
            Constraints(definition.GetGenericParameters(), found);
            if (definition.RelativeVirtualAddress != 0)
            {
                Body(_image.GetMethodBody(definition.RelativeVirtualAddress), found);
            }
        }
    }

    private void Constraints(GenericParameterHandleCollection parameters, Found found)
    {
        foreach (GenericParameterHandle parameter in parameters)
        {
            foreach (GenericParameterConstraintHandle constraint in _metadata.GetGenericParameter(parameter).GetConstraints())
            {
                found.Add(_metadata.GetGenericParameterConstraint(constraint).Type);
            }
        }
    }

    private void Body(MethodBodyBlock body, Found found)
    {
        if (!body.LocalSignature.IsNil)
        {
            _metadata.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(found, null);
        }

        foreach (ExceptionRegion region in body.ExceptionRegions)
        {
            found.Add(region.CatchType);
        }

        BlobReader code = body.GetILReader();
        while (code.RemainingBytes > 0)
        {
            int value = code.ReadByte();
            short opcode = value == 0xFE ? (short)((0xFE << 8) | code.ReadByte()) : (short)value;
            switch (Operands[opcode])
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                    found.Add(MetadataTokens.EntityHandle(code.ReadInt32()));
                    break;
                case OperandType.InlineSwitch:
                    int targets = code.ReadInt32();
                    code.Offset += 4 * targets;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    code.Offset += 8;
                    break;
                case OperandType.InlineBrTarget or OperandType.InlineI or OperandType.InlineSig or OperandType.InlineString or OperandType.ShortInlineR:
                    code.Offset += 4;
                    break;
                case OperandType.InlineVar:
                    code.Offset += 2;
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    code.Offset += 1;
                    break;
            }
        }
    }

    /// <summary>Takes every type that one type names; as a decoder of signatures it keeps nothing but that.</summary>
    private sealed class Found(TypeReferences references, TypeDefinitionHandle from) : ISignatureTypeProvider<object?, object?>
    {
        public void Add(EntityHandle handle)
        {
            MetadataReader metadata = references._metadata;
            if (handle.IsNil)
            {
                return;
            }

            switch (handle.Kind)
            {
                case HandleKind.TypeDefinition:
                    references._pairs.Add((from, (TypeDefinitionHandle)handle));
                    break;
                case HandleKind.TypeSpecification:
                    metadata.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, null);
                    break;
                case HandleKind.MethodDefinition:
                    Add(metadata.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.FieldDefinition:
                    Add(metadata.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.MemberReference:
                    Add(metadata.GetMemberReference((MemberReferenceHandle)handle).Parent);
                    break;
                case HandleKind.MethodSpecification:
                    MethodSpecification specification = metadata.GetMethodSpecification((MethodSpecificationHandle)handle);
                    Add(specification.Method);
                    specification.DecodeSignature(this, null);
                    break;
            }
        }

        public object? GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            Add(handle);
            return null;
        }

        public object? GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

        public object? GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => null;

        public object? GetArrayType(object? elementType, ArrayShape shape) => null;

        public object? GetByReferenceType(object? elementType) => null;

        public object? GetFunctionPointerType(MethodSignature<object?> signature) => null;

        public object? GetGenericInstantiation(object? genericType, ImmutableArray<object?> typeArguments) => null;

        public object? GetGenericMethodParameter(object? genericContext, int index) => null;

        public object? GetGenericTypeParameter(object? genericContext, int index) => null;

        public object? GetModifiedType(object? modifier, object? unmodifiedType, bool isRequired) => null;

        public object? GetPinnedType(object? elementType) => null;

        public object? GetPointerType(object? elementType) => null;

        public object? GetPrimitiveType(PrimitiveTypeCode typeCode) => null;

        public object? GetSZArrayType(object? elementType) => null;
    }
}
